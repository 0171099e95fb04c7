// One record of page versions, decoded against a page: a byte for the page's size, the page's
// number, the page itself, and the record as it is stored.
#include "engine/core/hash.h"
#include "engine/formats/native/segment_layout.h"
#include "engine/segment/codec.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::engine;
  using epochfs::fuzz::must;
  using epochfs::fuzz::take_word;
  auto rest = epochfs::fuzz::input(data, size);
  const auto page_size = PageSize::from(512U << (take_word<std::uint8_t>(rest) % 8U));
  const PageNo page(take_word<std::uint32_t>(rest));
  if (rest.size() < page_size->bytes()) return 0;
  const ByteView base = rest.first(page_size->bytes());
  const ByteView stored = rest.subspan(base.size());
  const auto record = decode_record(stored, page, *page_size, base);
  if (!record) return 0;
  const auto header = native::parse_record_header(stored);
  must(header && header->header.epochs == record->epochs, "a record has the epochs that it says");
  must(record->pages.size() == record->epochs.size() * base.size(), "each version is a whole page");
  for (std::size_t i = 0; i < record->epochs.size(); ++i)
    must(page_hash(record->pages.bytes().subspan(i * base.size(), base.size())) ==
             header->header.hashes[i],
         "each version has its hash");
  return 0;
}
