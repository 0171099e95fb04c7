// All bytes of an epoch, decoded on all cores, handed out, and checked against the epoch's state
// hash.
#pragma once

#include <functional>

#include "engine/repo/operations.h"

namespace epochfs::engine {

struct ImageSinks {
  using Write = std::function<Result<void>(std::uint64_t offset, ByteView bytes)>;
  Write anywhere;  // from many threads at once, in no order
  Write in_order;  // from the caller's thread, front to back
  Progress progress;
};

// kCorrupt: a page is damaged, or the image as a whole is not the state that the epoch's hash
// stands for; what was handed out by then is worthless. Either sink may be empty.
Result<void> walk_image(const EpochImage& image, const ImageSinks& sinks);

}  // namespace epochfs::engine
