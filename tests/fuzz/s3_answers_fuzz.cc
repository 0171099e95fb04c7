// What an object store answers, the places that people name in it, and the files that hold their
// keys.
#include "engine/storage/ini_file.h"
#include "engine/storage/s3_location.h"
#include "engine/storage/s3_xml.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::engine;
  const ByteView bytes = epochfs::fuzz::input(data, size);
  static_cast<void>(parse_s3_failure(bytes));
  static_cast<void>(parse_s3_page(bytes));
  static_cast<void>(parse_s3_upload_id(bytes));
  static_cast<void>(parse_s3_deleted(bytes));
  static_cast<void>(parse_ini(as_text(bytes)));
  const auto place = parse_s3_location(as_text(bytes));
  if (place) {
    const auto again = parse_s3_location(place->text());
    epochfs::fuzz::must(again && again->text() == place->text(), "a place comes back as it went");
  }
  return 0;
}
