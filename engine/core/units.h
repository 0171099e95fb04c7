// Numbers that mean a place, a count or a moment, each with its own type.
#pragma once

#include <compare>
#include <cstdint>

#include "engine/core/error.h"

namespace epochfs::engine {

template <class Tag, class Rep>
class Strong {
 public:
  constexpr Strong() noexcept = default;
  constexpr explicit Strong(Rep value) noexcept : value_(value) {}
  [[nodiscard]] constexpr Rep get() const noexcept { return value_; }
  friend constexpr auto operator<=>(Strong, Strong) noexcept = default;

 private:
  Rep value_{};
};

using Epoch = Strong<struct EpochTag, std::uint64_t>;    // commit order, 1 is the first; not a time
using PageNo = Strong<struct PageNoTag, std::uint32_t>;  // 1-based, as the database counts
using UtcTime = Strong<struct UtcTimeTag, std::int64_t>;  // nanoseconds since 1970, UTC

// Back from 64-bit arithmetic over pages that a database is known to have.
constexpr PageNo page_no(std::uint64_t page) noexcept {
  return PageNo(static_cast<std::uint32_t>(page));
}

// Bytes [begin, begin + size).
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Both ends included.
struct PageRange {
  PageNo first;
  PageNo last;
};

// Bytes per page: a power of two from 512 to 65536.
class PageSize {
 public:
  static constexpr std::uint32_t kMin = 512;
  static constexpr std::uint32_t kMax = 65536;

  constexpr PageSize() noexcept = default;  // 4096, what most databases have

  static Result<PageSize> from(std::uint64_t bytes);  // kCorrupt: not a power of two in range

  [[nodiscard]] constexpr std::uint32_t bytes() const noexcept { return bytes_; }
  // Pages that `size_bytes` bytes need; the last may be partial.
  [[nodiscard]] constexpr std::uint64_t pages_in(std::uint64_t size_bytes) const noexcept {
    return size_bytes / bytes_ + (size_bytes % bytes_ != 0 ? 1 : 0);
  }
  [[nodiscard]] constexpr std::uint64_t offset_of(PageNo page) const noexcept {
    return (static_cast<std::uint64_t>(page.get()) - 1) * bytes_;
  }
  [[nodiscard]] constexpr PageNo page_at(std::uint64_t offset) const noexcept {
    return PageNo(static_cast<std::uint32_t>(offset / bytes_ + 1));
  }
  friend constexpr bool operator==(PageSize, PageSize) noexcept = default;

 private:
  constexpr explicit PageSize(std::uint32_t bytes) noexcept : bytes_(bytes) {}
  std::uint32_t bytes_ = 4096;
};

// Page numbers are 32 bits wide everywhere, as in SQLite.
inline constexpr std::uint64_t kPageCountMax = 0xfffffffe;

}  // namespace epochfs::engine
