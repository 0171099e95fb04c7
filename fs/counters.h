// How often the kernel asked for what, and how often the answer was a failure.
//
// Threads   any
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace epochfs::fs {

enum class Operation : std::uint8_t {
  kLookup,
  kGetattr,
  kReadlink,
  kOpen,
  kRead,
  kSeek,
  kOpendir,
  kReaddir,
  kStatfs,
  kXattr,
  kModify,  // all that would change something
};
inline constexpr std::size_t kOperationCount = 11;

std::string_view operation_name(Operation operation) noexcept;

class Counters {
 public:
  struct Count {
    std::atomic<std::uint64_t> requests = 0;
    std::atomic<std::uint64_t> errors = 0;
  };

  [[nodiscard]] Count& operator[](Operation operation) noexcept {
    return counts_[static_cast<std::size_t>(operation)];
  }
  [[nodiscard]] const Count& operator[](Operation operation) const noexcept {
    return counts_[static_cast<std::size_t>(operation)];
  }

  [[nodiscard]] bool any_request() const noexcept;

 private:
  std::array<Count, kOperationCount> counts_;
};

}  // namespace epochfs::fs
