// What people write on a command line: places, selectors, moments, hashes, and names from
// repositories that are shown to them.
#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/repo/repository.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using namespace engine;

constexpr UtcTime kNow(1'795'000'000'000'000'000);

void fuzz_moment(std::string_view text) {
  const auto moment = parse_moment(text, kNow);
  if (!moment) return;
  const int year = utc_day(*moment).year;
  if (year < 1 || year > 9999) return;
  must(parse_moment(format_utc(*moment), kNow) == moment, "a moment comes back as it is shown");
  static_cast<void>(format_utc_filename(*moment));
}

void fuzz_source(std::string_view text) {
  const auto source = parse_source(text);
  if (source) must(!source->location.empty(), "a source has a place");
}

void fuzz_names(std::string_view text) {
  for (const char c : printable(text))
    must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "what is shown moves no cursor");
  if (is_path_component(text))
    must(text.find('/') == std::string_view::npos && text != ".." && !text.empty(),
         "a component of a path stays where it is");
  const auto digest = sha256_from_hex(text);
  if (digest)
    must(sha256_from_hex(to_hex(*digest)).value() == *digest, "a digest comes back as it went");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = epochfs::engine::as_text(epochfs::fuzz::input(data, size));
  epochfs::fuzz::fuzz_moment(text);
  epochfs::fuzz::fuzz_source(text);
  epochfs::fuzz::fuzz_names(text);
  return 0;
}
