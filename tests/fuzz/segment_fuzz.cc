// A whole segment: opened, and every row of its tables visited. The hashes over tables and footer
// are made to fit, for whoever writes a segment computes them.
#include <algorithm>

#include "engine/core/hash.h"
#include "engine/segment/segment_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
using engine::MutableByteView;
using engine::Result;
namespace native = engine::native;

class MemoryBlob final : public engine::Blob {
 public:
  explicit MemoryBlob(Bytes bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return bytes_.size(); }
  [[nodiscard]] const std::string& version() const noexcept override { return version_; }
  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    must(offset <= bytes_.size() && out.size() <= bytes_.size() - offset,
         "nothing is read beyond the end of a segment");
    std::ranges::copy(ByteView(bytes_).subspan(offset, out.size()), out.begin());
    return {};
  }

 private:
  Bytes bytes_;
  std::string version_ = "1";
};

void seal(Bytes& segment) {
  namespace fields = native::footer_fields;
  if (segment.size() < native::kFooterSize) return;
  const std::size_t footer_at = segment.size() - native::kFooterSize;
  const MutableByteView content =
      MutableByteView(segment).subspan(footer_at + native::kFrameHeaderSize);
  const auto offset = engine::load_le<std::uint64_t>(content.subspan(fields::kTablesOffset.offset));
  const auto bytes = engine::load_le<std::uint64_t>(content.subspan(fields::kTablesBytes.offset));
  if (offset <= footer_at && bytes <= footer_at - offset)
    engine::store_le(content.subspan(fields::kTablesHash.offset),
                     engine::page_hash(ByteView(segment).subspan(offset, bytes)));
  engine::store_le(content.subspan(fields::kHash.offset),
                   engine::page_hash(content.first(fields::kHash.offset)));
}

void visit(const engine::SegmentReader& reader) {
  static_cast<void>(reader.visit_blocks(
      [](std::uint64_t, const native::BlockRow&) -> Result<void> { return {}; }));
  static_cast<void>(reader.visit_records(
      [](std::uint64_t, const native::RecordRow&) -> Result<void> { return {}; }));
  static_cast<void>(
      reader.visit_epochs([](const native::EpochFacts&) -> Result<void> { return {}; }));
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  const auto bytes = input(data, size);
  Bytes segment(bytes.begin(), bytes.end());
  seal(segment);
  const auto reader = epochfs::engine::SegmentReader::open(
      std::make_shared<MemoryBlob>(std::move(segment)), nullptr);
  if (reader) visit(*reader);
  return 0;
}
