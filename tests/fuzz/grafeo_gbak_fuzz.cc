// The header of an incremental of Grafeo's, and where the segments in it lie.
#include <algorithm>

#include "engine/formats/grafeo/gbak.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::engine;
  using epochfs::fuzz::must;
  const ByteView file = epochfs::fuzz::input(data, size);
  const auto header = grafeo::parse_gbak_header(file);
  if (!header) return 0;
  must(std::ranges::equal(grafeo::encode_gbak_header(*header), file.first(grafeo::kGbakHeaderSize)),
       "a header is spelled like that only");
  if (header->generation == grafeo::Generation::kV1) return 0;
  for (std::uint64_t at = grafeo::kGbakHeaderSize; at < file.size();) {
    const std::size_t left = std::min<std::size_t>(file.size() - at, grafeo::kGbakLengthSize);
    const auto place = grafeo::locate_gbak_segment(file.subspan(at, left), at, file.size());
    if (!place) return 0;
    must(place->begin > at && place->begin <= file.size() &&
             place->size <= file.size() - place->begin,
         "a segment lies within its file");
    at = place->begin + place->size;
  }
  return 0;
}
