#include "engine/repo/image_walk.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/ordered_pipeline.h"

namespace epochfs::engine {
namespace {

struct Part {
  std::uint64_t offset = 0;
  std::uint64_t pages = 0;
};
struct DecodedPart {
  std::uint64_t offset = 0;
  Buffer room;
  std::uint64_t size = 0;  // of the image's bytes in it
  StateHash sum;

  [[nodiscard]] ByteView bytes() const noexcept { return room.bytes().first(size); }
};

}  // namespace

Result<void> walk_image(const EpochImage& image, const ImageSinks& sinks) {
  const native::EpochFacts& facts = image.facts();
  const PageSize page_size = image.page_size();
  const std::uint64_t page_count = page_size.pages_in(facts.size_bytes);
  const std::uint64_t stride = image.stride_pages();
  const std::uint64_t part_pages =
      std::max<std::uint64_t>(image.piece_bytes() / page_size.bytes() / stride, 1) * stride;

  const auto decode = [&](Part&& part) -> Result<DecodedPart> {
    DecodedPart decoded;
    decoded.offset = part.offset;
    decoded.room = Buffer(part.pages * page_size.bytes());
    std::vector<std::uint64_t> hashes;
    const PageNo first = page_size.page_at(part.offset);
    TRY(image.read_pages(first, decoded.room.bytes(), hashes));
    for (std::size_t i = 0; i < hashes.size(); ++i)
      decoded.sum.add(PageNo(static_cast<std::uint32_t>(first.get() + i)), hashes[i]);
    decoded.size = std::min<std::uint64_t>(decoded.room.size(), facts.size_bytes - part.offset);
    if (sinks.anywhere) TRY(sinks.anywhere(decoded.offset, decoded.bytes()));
    return decoded;
  };
  StateHash sum;
  sum.add_size(facts.size_bytes);
  const auto take = [&](DecodedPart&& part) -> Result<void> {
    sum += part.sum;
    if (sinks.in_order) TRY(sinks.in_order(part.offset, part.bytes()));
    if (sinks.progress) sinks.progress(part.offset + part.size, facts.size_bytes);
    return {};
  };

  const unsigned threads = thread_count(image.readers());
  OrderedPipeline<Part, DecodedPart> pipeline(threads, 2 * threads, decode, take);
  for (std::uint64_t page = 0; page < page_count; page += part_pages)
    TRY(pipeline.push(Part{page * page_size.bytes(), std::min(part_pages, page_count - page)}));
  TRY(pipeline.finish());
  if (sum != facts.state)
    return Error::corrupt(fmt::format("epoch {} adds up to state {}, but it was {} when stored",
                                      facts.epoch.get(), sum.hex(), facts.state.hex()));
  return {};
}

}  // namespace epochfs::engine
