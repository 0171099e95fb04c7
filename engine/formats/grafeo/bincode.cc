#include "engine/formats/grafeo/bincode.h"

#include <fmt/format.h>

namespace epochfs::engine::grafeo {
namespace {

// First bytes of a number; a smaller one is the number itself.
constexpr std::uint8_t kTwoBytes = 251;
constexpr std::uint8_t kFourBytes = 252;
constexpr std::uint8_t kEightBytes = 253;

}  // namespace

Result<std::uint64_t> take_number(ByteCursor& in) {
  TRY_ASSIGN(const auto first, in.take_le<std::uint8_t>());
  switch (first) {
    case kTwoBytes:
      return in.take_le<std::uint16_t>();
    case kFourBytes:
      return in.take_le<std::uint32_t>();
    case kEightBytes:
      return in.take_le<std::uint64_t>();
    default:
      if (first > kEightBytes)
        return Error::corrupt(fmt::format("no 64-bit number begins with {:#04x}", first));
      return first;
  }
}

Result<std::string> take_string(ByteCursor& in) {
  TRY_ASSIGN(const auto size, take_number_as<std::size_t>(in));
  TRY_ASSIGN(const ByteView bytes, in.take(size));
  return std::string(as_text(bytes));
}

void put_number(ByteWriter& out, std::uint64_t value) {
  if (value < kTwoBytes) {
    out.put_le(static_cast<std::uint8_t>(value));
  } else if (value <= std::numeric_limits<std::uint16_t>::max()) {
    out.put_le(kTwoBytes);
    out.put_le(static_cast<std::uint16_t>(value));
  } else if (value <= std::numeric_limits<std::uint32_t>::max()) {
    out.put_le(kFourBytes);
    out.put_le(static_cast<std::uint32_t>(value));
  } else {
    out.put_le(kEightBytes);
    out.put_le(value);
  }
}

void put_string(ByteWriter& out, std::string_view text) {
  put_number(out, text.size());
  out.put(as_bytes(text));
}

}  // namespace epochfs::engine::grafeo
