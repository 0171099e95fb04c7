#include "engine/core/bytes.h"

#include <fmt/format.h>

#include "engine/core/text.h"

namespace epochfs::engine {

Result<ByteView> ByteCursor::take(std::size_t count) {
  if (count > rest_.size())
    return Error::corrupt(fmt::format("{} wanted, {} left", counted(count, "byte"), rest_.size()));
  const ByteView taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

Result<std::uint64_t> ByteCursor::take_varint() {
  std::uint64_t value = 0;
  std::size_t count = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (count == rest_.size()) return Error::corrupt("half a variable-length number");
    const auto byte = std::to_integer<std::uint8_t>(rest_[count++]);
    const std::uint64_t bits = byte & 0x7fU;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((byte & 0x80U) == 0) {
      if (byte == 0 && shift != 0) break;
      rest_ = rest_.subspan(count);
      return value;
    }
  }
  return Error::corrupt("malformed variable-length number");
}

Result<void> ByteCursor::expect_end() const {
  if (!rest_.empty()) return Error::corrupt(counted(rest_.size(), "byte") + " left over");
  return {};
}

void ByteWriter::put_varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<std::byte>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<std::byte>(value));
}

}  // namespace epochfs::engine
