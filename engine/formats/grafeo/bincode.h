// The part of bincode 2 (standard configuration) that Grafeo's files use.
//
// Source    README.md, section 1
// Trust     none: nothing is sized by a number before it is compared with the bytes that are left
// Errors    kCorrupt: cut short, a first byte that starts no number, or a value out of range
#pragma once

#include <limits>
#include <string>
#include <string_view>

#include "engine/core/bytes.h"

namespace epochfs::engine::grafeo {

// Bytes of the longest spelling of a 64-bit number.
inline constexpr std::size_t kBincodeNumberBytesMax = 9;

// A number in any spelling that holds it, the shortest or not.
Result<std::uint64_t> take_number(ByteCursor& in);
template <class T>
Result<T> take_number_as(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t wide, take_number(in));
  if (wide > std::numeric_limits<T>::max()) return Error::corrupt("a number is out of range");
  return static_cast<T>(wide);
}
// Whether the bytes are UTF-8 is for the caller to look at.
Result<std::string> take_string(ByteCursor& in);

// The shortest spelling.
void put_number(ByteWriter& out, std::uint64_t value);
void put_string(ByteWriter& out, std::string_view text);

}  // namespace epochfs::engine::grafeo
