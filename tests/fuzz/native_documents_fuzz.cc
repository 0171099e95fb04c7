// epochfs.json, manifest.json and cursor.json: what is accepted can be written and read again.
#include "engine/formats/native/manifest.h"
#include "engine/formats/native/seal.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using namespace engine::native;

void fuzz_manifest(engine::ByteView json) {
  const auto manifest = parse_manifest(json);
  if (!manifest || !check_entries(*manifest)) return;
  const std::string text = encode_manifest(*manifest);
  const auto again = parse_manifest(engine::as_bytes(text));
  must(again && check_entries(*again), "a manifest that was accepted is accepted again");
  must(encode_manifest(*again) == text, "a manifest comes back as it went");
}

void fuzz_repository(engine::ByteView json) {
  const auto info = parse_repository(json);
  if (!info) return;
  const auto again = parse_repository(engine::as_bytes(encode_repository(*info)));
  must(again && again->id == info->id && again->created == info->created,
       "what makes a repository comes back as it went");
}

void fuzz_cursor(engine::ByteView json) {
  const auto cursor = parse_cursor(json);
  if (!cursor) return;
  const auto again = parse_cursor(engine::as_bytes(encode_cursor(*cursor)));
  must(again && *again == *cursor, "a cursor comes back as it went");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = epochfs::fuzz::input(data, size);
  static_cast<void>(epochfs::engine::native::check_seal(json));
  epochfs::fuzz::fuzz_manifest(json);
  epochfs::fuzz::fuzz_repository(json);
  epochfs::fuzz::fuzz_cursor(json);
  return 0;
}
