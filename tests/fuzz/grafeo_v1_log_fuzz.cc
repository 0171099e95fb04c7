// A log of Grafeo 0.5: in one piece and in small ones it must be the same. The first byte says how
// small, and whether the checksums of the frames are made to fit.
#include <algorithm>

#include "engine/formats/grafeo/v1_scanner.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
namespace grafeo = engine::grafeo;

struct Scanned {
  std::vector<grafeo::V1EpochAdvance> found;
  grafeo::V1LogEnd end;
  friend bool operator==(const Scanned&, const Scanned&) = default;
};

Scanned scan(ByteView log, std::size_t piece) {
  Scanned scanned;
  grafeo::V1Scanner scanner;
  for (; !log.empty(); log = log.subspan(std::min(piece, log.size())))
    scanner.push(log.first(std::min(piece, log.size())), scanned.found);
  scanned.end = scanner.finish();
  return scanned;
}

void seal_frames(engine::MutableByteView log) {
  while (log.size() >= grafeo::kV1LengthSize) {
    const std::uint64_t payload = engine::load_le<std::uint32_t>(log);
    const std::uint64_t frame = grafeo::kV1LengthSize + payload + grafeo::kV1ChecksumSize;
    if (frame > log.size()) return;
    engine::Crc32 crc;
    crc.update(log.subspan(grafeo::kV1LengthSize, payload));
    engine::store_le(log.subspan(grafeo::kV1LengthSize + payload), crc.value());
    log = log.subspan(frame);
  }
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  auto rest = input(data, size);
  const auto how = take_word<std::uint8_t>(rest);
  Bytes log(rest.begin(), rest.end());
  if ((how & 1U) != 0) seal_frames(log);
  const Scanned whole = scan(log, std::max<std::size_t>(log.size(), 1));
  must(whole.end.end <= log.size(), "a log ends within its bytes");
  must(whole == scan(log, 1U + how / 2U), "a log is the same in pieces");
  for (const auto& advance : whole.found)
    must(advance.end <= whole.end.end, "an epoch ends within the sound part");
  return 0;
}
