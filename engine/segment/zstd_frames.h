// Bytes as zstd frames one behind the other, each with its size and a checksum: what `zstd -d` and
// ZstdStream make one file of again. Compressed on all cores; the output does not depend on that.
//
// Threads   one; the sink is called on it
// Memory    a few frames per core
// Errors    those of the sink
#pragma once

#include <functional>
#include <vector>

#include "engine/core/ordered_pipeline.h"
#include "engine/formats/zlayer/tail.h"

namespace epochfs::engine {

class ZstdFrames {
 public:
  using Sink = std::function<Result<void>(ByteView stored)>;

  explicit ZstdFrames(Sink sink);

  // In pieces of any size.
  Result<void> append(ByteView plain);
  // A frame made before; what was appended until then ends with a frame of its own.
  Result<void> append_stored(Bytes frame, std::uint32_t plain_bytes);
  // Nothing is held back any longer. More may follow, in frames of its own.
  Result<void> finish();

  [[nodiscard]] const std::vector<zlayer::StoredFrame>& frames() const noexcept { return frames_; }

 private:
  struct Piece {
    Bytes bytes;
    std::uint32_t plain_bytes = 0;
    bool is_stored = false;
  };

  Result<void> push();

  Sink sink_;
  Bytes piece_;  // being filled
  std::vector<zlayer::StoredFrame> frames_;
  OrderedPipeline<Piece, Piece> pipeline_;  // last: its consumer uses the others
};

}  // namespace epochfs::engine
