// What the tests of Grafeo's formats share: bytes as the specification prints them, damage, pieces.
#pragma once

#include <algorithm>
#include <limits>
#include <random>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/hash.h"

namespace epochfs::engine::grafeo {

inline constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();

// "01 fb 2c" with any white space.
inline Bytes from_hex(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const std::size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) throw std::invalid_argument("not a hex digit");
    if (high < 0) {
      high = static_cast<int>(digit);
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + static_cast<int>(digit)));
      high = -1;
    }
  }
  if (high >= 0) throw std::invalid_argument("half a byte");
  return bytes;
}

inline Bytes joined(std::initializer_list<ByteView> parts) {
  ByteWriter out;
  for (const ByteView part : parts) out.put(part);
  return std::move(out).take();
}

inline Bytes flipped(ByteView bytes, std::size_t bit) {
  Bytes copy(bytes.begin(), bytes.end());
  copy[bit / 8] ^= std::byte{1} << (bit % 8);
  return copy;
}

inline std::uint32_t crc_of_bytes(ByteView bytes) {
  Crc32 crc;
  crc.update(bytes);
  return crc.value();
}

template <class T>
Code code_of(const Result<T>& result) {
  if (result) throw std::logic_error("it did not fail");
  return result.error().code;
}

inline Bytes random_bytes(std::mt19937_64& random, std::size_t size) {
  Bytes bytes(size);
  std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

// What a scanner says about a log: what it found, and how it ended.
template <class Found, class End>
struct Scan {
  std::vector<Found> found;
  End end;
  friend bool operator==(const Scan&, const Scan&) = default;
};

// Feeds `log` in pieces whose sizes `next_size` gives.
template <class Scanner, class Found, class NextSize>
auto scan_in_pieces(Scanner scanner, std::vector<Found> found, ByteView log,
                    const NextSize& next_size) {
  while (!log.empty()) {
    const std::size_t size = std::min<std::size_t>(log.size(), next_size());
    scanner.push(log.first(size), found);
    log = log.subspan(size);
  }
  auto end = scanner.finish();
  return Scan<Found, decltype(end)>{std::move(found), std::move(end)};
}

}  // namespace epochfs::engine::grafeo
