// What an image of Grafeo's says of itself. The checksums of a container 3 are made to fit. Bytes
// that are left out are zero: an input of 40 bytes is an image header, too.
#include <algorithm>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/image_header.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::MutableByteView;
namespace grafeo = engine::grafeo;

void seal(MutableByteView page, std::size_t summed) {
  engine::Crc32 crc;
  crc.update(page.first(summed));
  engine::store_le(page.subspan(summed), crc.value());
}

// Three pages of which only the beginnings matter: a third of the input for each.
Bytes image_of(engine::ByteView bytes) {
  Bytes image(grafeo::kImageHeaderSize);
  const std::size_t part = std::min(bytes.size() / 3, grafeo::kImagePageSize);
  for (std::size_t page = 0; page < 3; ++page)
    std::ranges::copy(bytes.subspan(page * part, part),
                      MutableByteView(image).subspan(page * grafeo::kImagePageSize).begin());
  return image;
}

void seal_container_3(Bytes& image) {
  const MutableByteView pages(image);
  seal(pages, 72);
  seal(pages.subspan(grafeo::kImagePageSize), 80);
  seal(pages.subspan(2 * grafeo::kImagePageSize), 80);
}

void parse(const Bytes& image) {
  const auto header = grafeo::parse_image_header(image);
  if (!header) return;
  must(header->container >= 1 && header->container <= 3, "a container that is known");
  must(header->active_slot <= 1, "one of two database headers");
  if (header->payload)
    must(header->payload->range.begin + header->payload->range.size >= header->payload->range.begin,
         "data end before all offsets do");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  const auto bytes = input(data, size);
  Bytes image = image_of(bytes);
  parse(image);
  seal_container_3(image);
  parse(image);
  Bytes page(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(
                                                std::min(bytes.size(), grafeo::kImagePageSize)));
  page.resize(grafeo::kImagePageSize);
  static_cast<void>(grafeo::parse_section_directory(page));
  return 0;
}
