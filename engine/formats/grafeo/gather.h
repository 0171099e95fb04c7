// Collects the few bytes of a fixed field out of pieces that may be cut anywhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "engine/core/bytes.h"

namespace epochfs::engine::grafeo {

template <std::size_t Capacity>
class Gather {
 public:
  // Copies from the start of `bytes` until it is full or none are left; returns how many it took.
  std::size_t fill(ByteView bytes) noexcept {
    const std::size_t taken = std::min(bytes.size(), Capacity - size_);
    if (taken == Capacity)  // nearly always, and much faster with a size that the compiler knows
      std::copy_n(bytes.begin(), Capacity, bytes_.begin());
    else
      std::copy_n(bytes.begin(), taken, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += taken;
    return taken;
  }
  void clear() noexcept { size_ = 0; }

  [[nodiscard]] bool is_full() const noexcept { return size_ == Capacity; }
  [[nodiscard]] ByteView view() const noexcept { return ByteView(bytes_).first(size_); }
  // Only when it is full.
  [[nodiscard]] std::span<const std::byte, Capacity> whole() const noexcept { return bytes_; }

 private:
  std::array<std::byte, Capacity> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace epochfs::engine::grafeo
