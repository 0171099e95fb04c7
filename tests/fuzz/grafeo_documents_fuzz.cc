// Grafeo's manifest and cursor, of both generations: what is accepted can be written and read
// again.
#include <algorithm>

#include "engine/formats/grafeo/cursor.h"
#include "engine/formats/grafeo/manifest.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

namespace grafeo = engine::grafeo;

void fuzz_manifest(engine::ByteView document) {
  const auto manifest = grafeo::parse_manifest(document);
  if (!manifest) return;
  const bool sound = std::ranges::all_of(manifest->segments, [](const grafeo::SegmentEntry& entry) {
    return entry.problem.empty() && object_name(entry).has_value();
  });
  const auto encoded = grafeo::encode_manifest(*manifest);
  must(encoded.has_value() == sound || encoded.error().code == engine::Code::kNoSpace,
       "only what makes sense is written");
  if (!encoded) return;
  const auto again = grafeo::parse_manifest(*encoded);
  must(again && *again == *manifest, "a manifest comes back as it went");
}

void fuzz_cursor(engine::ByteView document) {
  const auto cursor = grafeo::parse_cursor(document);
  if (!cursor) return;
  const auto once = grafeo::parse_cursor(grafeo::encode_cursor(*cursor));
  must(once.has_value(), "a cursor that was accepted is accepted again");
  const auto twice = grafeo::parse_cursor(grafeo::encode_cursor(*once));
  must(twice && *twice == *once, "a cursor comes back as it went");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = epochfs::fuzz::input(data, size);
  epochfs::fuzz::fuzz_manifest(document);
  epochfs::fuzz::fuzz_cursor(document);
  return 0;
}
