// Bytes in memory: owned, viewed, read by a cursor that cannot leave its span, written field by
// field.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::engine {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

// Room for bytes that are all written before one is read: not filled with zeros first.
class Buffer {
 public:
  Buffer() noexcept = default;
  explicit Buffer(std::size_t size)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  Buffer(Buffer&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] MutableByteView bytes() noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] ByteView bytes() const noexcept { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

// The one place where characters and bytes are each other's view.
inline ByteView as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteView bytes) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): here and nowhere else
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

// All of `from` to the beginning of `to`, which has room for it and does not overlap it. Not with
// std::ranges::copy, of which g++ 12 makes a loop over single bytes.
inline void copy_bytes(ByteView from, MutableByteView to) noexcept {
  if (!from.empty()) std::memcpy(to.first(from.size()).data(), from.data(), from.size());
}

namespace detail {
template <class T, std::endian Order>
T load(const std::byte* at) noexcept {
  static_assert(std::is_integral_v<T>);
  std::make_unsigned_t<T> value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const std::size_t shift = 8 * (Order == std::endian::little ? i : sizeof(T) - 1 - i);
    value = static_cast<decltype(value)>(
        value | static_cast<decltype(value)>(std::to_integer<std::uint64_t>(at[i]) << shift));
  }
  return static_cast<T>(value);
}
template <class T, std::endian Order>
void store(std::byte* at, T value) noexcept {
  static_assert(std::is_integral_v<T>);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const std::size_t shift = 8 * (Order == std::endian::little ? i : sizeof(T) - 1 - i);
    at[i] = static_cast<std::byte>(static_cast<std::make_unsigned_t<T>>(value) >> shift);
  }
}
}  // namespace detail

// The first sizeof(T) bytes of a span that is known to hold them.
template <class T>
T load_le(ByteView at) noexcept {
  return detail::load<T, std::endian::little>(at.first(sizeof(T)).data());
}
template <class T>
T load_be(ByteView at) noexcept {
  return detail::load<T, std::endian::big>(at.first(sizeof(T)).data());
}
template <class T>
void store_le(MutableByteView at, T value) noexcept {
  detail::store<T, std::endian::little>(at.first(sizeof(T)).data(), value);
}
template <class T>
void store_be(MutableByteView at, T value) noexcept {
  detail::store<T, std::endian::big>(at.first(sizeof(T)).data(), value);
}

// One field of a fixed record: its type and offset; `end` is where the next begins.
template <class T, std::size_t Offset>
struct Field {
  static constexpr std::size_t offset = Offset;
  static constexpr std::size_t end = Offset + sizeof(T);
};
template <class T, std::size_t Offset, std::size_t Extent>
T load(std::span<const std::byte, Extent> record, Field<T, Offset>) noexcept {
  static_assert(Extent != std::dynamic_extent && Offset + sizeof(T) <= Extent);
  return detail::load<T, std::endian::little>(record.data() + Offset);
}
template <class T, std::size_t Offset, std::size_t Extent>
T load_be(std::span<const std::byte, Extent> record, Field<T, Offset>) noexcept {
  static_assert(Extent != std::dynamic_extent && Offset + sizeof(T) <= Extent);
  return detail::load<T, std::endian::big>(record.data() + Offset);
}
template <class T, std::size_t Offset, std::size_t Extent>
void store(std::span<std::byte, Extent> record, Field<T, Offset>,
           std::type_identity_t<T> value) noexcept {
  static_assert(Extent != std::dynamic_extent && Offset + sizeof(T) <= Extent);
  detail::store<T, std::endian::little>(record.data() + Offset, value);
}

// Reads forward through untrusted bytes. Every take checks what is left; kCorrupt when it is too
// little.
class ByteCursor {
 public:
  explicit ByteCursor(ByteView bytes) noexcept : rest_(bytes) {}

  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }
  Result<ByteView> take(std::size_t count);
  template <std::size_t Count>
  Result<std::span<const std::byte, Count>> take() {
    TRY_ASSIGN(const ByteView bytes, take(Count));
    return bytes.first<Count>();
  }
  template <class T>
  Result<T> take_le() {
    TRY_ASSIGN(const ByteView bytes, take(sizeof(T)));
    return load_le<T>(bytes);
  }
  template <class T>
  Result<T> take_be() {
    TRY_ASSIGN(const ByteView bytes, take(sizeof(T)));
    return load_be<T>(bytes);
  }
  // LEB128, at most 10 bytes, the shortest form only.
  Result<std::uint64_t> take_varint();
  // kCorrupt when bytes are left over.
  Result<void> expect_end() const;

 private:
  ByteView rest_;
};

// Appends to a growing buffer.
class ByteWriter {
 public:
  template <class T>
  void put_le(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    detail::store<T, std::endian::little>(bytes_.data() + at, value);
  }
  template <class T>
  void put_be(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    detail::store<T, std::endian::big>(bytes_.data() + at, value);
  }
  void put_varint(std::uint64_t value);
  void put(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  [[nodiscard]] ByteView view() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  void clear() noexcept { bytes_.clear(); }
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  Bytes take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace epochfs::engine
