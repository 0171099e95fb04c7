#include "engine/repo/grafeo_tip.h"

#include <algorithm>

#include "engine/formats/grafeo/gbak.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/formats/grafeo/v2_segment.h"

namespace epochfs::engine {
namespace {

Result<Bytes> read_range(const Blob& blob, std::uint64_t offset, std::uint64_t size) {
  Bytes bytes(std::min(size, blob.size_bytes() - std::min(blob.size_bytes(), offset)));
  TRY(blob.read(offset, bytes));
  return bytes;
}

Failure other_generation() {
  return Error::unsupported("written by Grafeo 0.5, which 0.6 cannot continue");
}

Result<GrafeoTip> tip_of_full(const Blob& blob) {
  TRY_ASSIGN(const Bytes start, read_range(blob, 0, grafeo::kImageHeaderSize));
  TRY_ASSIGN(const grafeo::ImageHeader header, grafeo::parse_image_header(start));
  if (!header.database_id || !header.checkpoint_lsn) return other_generation();
  GrafeoTip tip;
  tip.lsn = *header.checkpoint_lsn;
  tip.database_id = *header.database_id;
  return tip;
}

Result<ByteRange> last_gbak_segment(const Blob& blob) {
  std::optional<ByteRange> last;
  std::uint64_t at = grafeo::kGbakHeaderSize;
  while (at < blob.size_bytes()) {
    TRY_ASSIGN(const Bytes length, read_range(blob, at, grafeo::kGbakLengthSize));
    TRY_ASSIGN(last, grafeo::locate_gbak_segment(length, at, blob.size_bytes()));
    at = last->begin + last->size;
  }
  if (!last) return Error::corrupt("an incremental without a log");
  return *last;
}

Result<GrafeoTip> tip_of_incremental(const Blob& blob) {
  TRY_ASSIGN(const Bytes start, read_range(blob, 0, grafeo::kGbakHeaderSize));
  TRY_ASSIGN(const grafeo::GbakHeader gbak, grafeo::parse_gbak_header(start));
  if (gbak.generation != grafeo::Generation::kV2) return other_generation();
  TRY_ASSIGN(const ByteRange segment, last_gbak_segment(blob));
  TRY_ASSIGN(const Bytes head, read_range(blob, segment.begin, grafeo::kV2SegmentHeaderSize));
  TRY_ASSIGN(const grafeo::V2SegmentHeader header, grafeo::parse_v2_segment_header(head));
  GrafeoTip tip;
  TRY_ASSIGN(tip.lsn, grafeo::v2_segment_end(header.first_lsn, segment.size));
  tip.database_id = header.database_id;
  const std::uint64_t size =
      std::min<std::uint64_t>(kTipBytesMax, segment.size - grafeo::kV2SegmentHeaderSize);
  TRY_ASSIGN(tip.last_bytes, read_range(blob, segment.begin + segment.size - size, size));
  return tip;
}

}  // namespace

Result<GrafeoTip> load_grafeo_tip(const GrafeoWriter& writer) {
  const grafeo::SegmentEntry& last = writer.manifest().segments.back();
  TRY_ASSIGN(const auto blob, writer.open(last));
  TRY_ASSIGN(GrafeoTip tip,
             with_context(last.kind == grafeo::SegmentKind::kFull ? tip_of_full(*blob)
                                                                  : tip_of_incremental(*blob),
                          [&] { return last.filename; }));
  tip.epoch = last.end_epoch;
  return tip;
}

}  // namespace epochfs::engine
