// A segment of the log of Grafeo 0.6: in one piece and in small ones it must be the same. The first
// byte says how small, and whether the checksums are made to fit.
#include <algorithm>

#include "engine/formats/grafeo/v2_scanner.h"
#include "engine/formats/grafeo/v2_segment.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
using engine::MutableByteView;
namespace grafeo = engine::grafeo;

struct Scanned {
  std::vector<grafeo::V2Group> found;
  grafeo::V2LogEnd end;
  friend bool operator==(const Scanned&, const Scanned&) = default;
};

Scanned scan(ByteView frames, grafeo::Lsn first, std::size_t piece) {
  Scanned scanned;
  grafeo::V2Scanner scanner(first);
  for (; !frames.empty(); frames = frames.subspan(std::min(piece, frames.size())))
    scanner.push(frames.first(std::min(piece, frames.size())), scanned.found);
  scanned.end = scanner.finish();
  return scanned;
}

void seal_header(MutableByteView header) {
  constexpr std::size_t kSummed = grafeo::kV2SegmentHeaderSize - 4;
  engine::Crc32 crc;
  crc.update(header.first(kSummed));
  engine::store_le(header.subspan(kSummed), crc.value());
}

void seal_frames(MutableByteView frames) {
  while (frames.size() >= grafeo::kV2FrameHeaderSize) {
    const std::uint64_t payload = engine::load_le<std::uint32_t>(frames);
    const std::uint64_t frame = grafeo::kV2FrameHeaderSize + payload;
    if (frame > frames.size()) return;
    engine::Crc32 crc =
        grafeo::begin_v2_frame_crc(ByteView(frames).first<grafeo::kV2FrameHeaderSize>());
    crc.update(frames.subspan(grafeo::kV2FrameHeaderSize, payload));
    engine::store_le(frames.subspan(grafeo::v2_frame_layout::kChecksum.offset), crc.value());
    frames = frames.subspan(frame);
  }
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  auto rest = input(data, size);
  const auto how = take_word<std::uint8_t>(rest);
  Bytes segment(rest.begin(), rest.end());
  if (segment.size() < grafeo::kV2SegmentHeaderSize) return 0;
  const MutableByteView frames = MutableByteView(segment).subspan(grafeo::kV2SegmentHeaderSize);
  if ((how & 1U) != 0) {
    seal_header(MutableByteView(segment).first(grafeo::kV2SegmentHeaderSize));
    seal_frames(frames);
  }
  const auto header = grafeo::parse_v2_segment_header(segment);
  if (!header || !grafeo::v2_segment_end(header->first_lsn, segment.size())) return 0;
  must(grafeo::parse_v2_segment_name(grafeo::v2_segment_name(header->first_lsn)) ==
           header->first_lsn,
       "a name comes back as it went");
  const Scanned whole = scan(frames, header->first_lsn, std::max<std::size_t>(frames.size(), 1));
  must(whole.end.end.get() - header->first_lsn.get() <= frames.size(),
       "a log ends within its bytes");
  must(whole == scan(frames, header->first_lsn, 1U + how / 2U), "a log is the same in pieces");
  for (const auto& group : whole.found)
    must(group.begin < group.end && group.end <= whole.end.end,
         "a group ends within the sound part");
  return 0;
}
