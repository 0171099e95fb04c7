// Footer, table headers, tables and record headers of a segment: what is accepted can be written
// and read again, and but for the footer it has one spelling.
// The first byte says which of them follows, the next ones what a reader would know of it.
#include <algorithm>

#include "engine/formats/native/segment_layout.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
using engine::Epoch;
namespace native = engine::native;

void must_be(ByteView encoded, ByteView parsed) {
  must(std::ranges::equal(encoded, parsed), "what was accepted is spelled like that only");
}

// With the hash that belongs to it, or nothing would get past that.
void fuzz_footer(ByteView rest) {
  const auto object_bytes = take_word<std::uint64_t>(rest);
  Bytes frame(rest.begin(), rest.end());
  if (frame.size() == native::kFooterSize) {
    const engine::MutableByteView content = engine::MutableByteView(frame).subspan(
        native::kFrameHeaderSize, native::kFooterContentSize);
    const std::size_t hashed = native::footer_fields::kHash.offset;
    engine::store_le(content.subspan(hashed), engine::page_hash(content.first(hashed)));
  }
  const auto footer = native::parse_footer(frame, object_bytes);
  if (!footer) return;
  // Flags that a reader may pass over are the one thing that is not kept.
  const auto again = native::parse_footer(native::encode_footer(*footer), object_bytes);
  must(again && *again == *footer, "a footer comes back as it went");
}

void fuzz_table_header(ByteView rest) {
  const auto header = native::parse_table_header(rest);
  if (header) must_be(native::encode_table_header(*header), rest);
}

void fuzz_blocks(ByteView rest) {
  const std::uint32_t rows = take_word<std::uint16_t>(rest) % (native::kBlocksPerChunk + 1);
  const std::uint32_t pages_per_block = 1U << (take_word<std::uint8_t>(rest) % 8U);
  const auto pages_left = take_word<std::uint64_t>(rest);
  const auto parsed = native::parse_blocks(rest, rows, pages_per_block, pages_left);
  if (parsed) must_be(native::encode_blocks(*parsed), rest);
}

void fuzz_records(ByteView rest) {
  const std::uint32_t rows = take_word<std::uint16_t>(rest) % (native::kRecordsPerChunk + 1);
  const Epoch start(take_word<std::uint64_t>(rest));
  const Epoch end(take_word<std::uint64_t>(rest));
  const auto parsed = native::parse_records(rest, rows, start, end);
  if (parsed) must_be(native::encode_records(*parsed, start), rest);
}

void fuzz_epochs(ByteView rest) {
  const std::uint32_t rows = take_word<std::uint16_t>(rest) % (native::kEpochsPerChunk + 1);
  const auto parsed = native::parse_epochs(rest, rows);
  if (parsed) must_be(native::encode_epochs(*parsed), rest);
}

void fuzz_record_header(ByteView rest) {
  const auto parsed = native::parse_record_header(rest);
  if (!parsed) return;
  must(parsed->bytes <= rest.size(), "a record begins within its unit");
  must_be(native::encode_record_header(parsed->header), rest.first(parsed->bytes));
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  auto rest = input(data, size);
  switch (take_word<std::uint8_t>(rest) % 7U) {
    case 0:
      fuzz_footer(rest);
      break;
    case 1:
      fuzz_table_header(rest);
      break;
    case 2:
      fuzz_blocks(rest);
      break;
    case 3:
      fuzz_records(rest);
      break;
    case 4:
      fuzz_epochs(rest);
      break;
    case 5:
      fuzz_record_header(rest);
      break;
    default:
      static_cast<void>(epochfs::engine::native::check_signature(rest));
  }
  return 0;
}
