// A file cut into blocks, compressed on all cores, on its way into a segment: what fulls and logs
// have in common. Private to this room.
//
// Threads   one caller; compression runs behind it, the output does not depend on it
// Memory    a few blocks per worker, the table of the chunk being filled
#pragma once

#include <vector>

#include "engine/core/ordered_pipeline.h"
#include "engine/segment/segment_output.h"

namespace epochfs::engine {

class BlockWriter {
 public:
  BlockWriter(Upload& upload, PageSize page_size, const SegmentWriterOptions& options);

  Result<void> append(ByteView bytes);
  // Compresses what is left and closes the table of blocks. Other tables may follow.
  Result<void> finish_blocks();

  // Of everything that was appended; valid after finish_blocks().
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] const StateHash& state() const noexcept { return state_; }
  // What a footer says of blocks; the rest of it is the caller's.
  [[nodiscard]] native::Footer footer(native::SegmentKind kind) const noexcept;
  [[nodiscard]] SegmentOutput& output() noexcept { return output_; }

 private:
  struct PlainBlock {
    PageNo first;
    Bytes bytes;
  };
  struct StoredBlock {
    Bytes frame;
    std::vector<std::uint64_t> page_hashes;
    StateHash state;  // of its pages
  };

  static Result<StoredBlock> store(PlainBlock block, PageSize page_size, int level);
  Result<void> push_block();
  Result<void> take(StoredBlock block);
  Result<void> flush_rows();

  const PageSize page_size_;
  const std::uint32_t block_bytes_;
  SegmentOutput output_;
  Bytes block_;                   // being filled
  std::uint64_t size_bytes_ = 0;  // of the blocks before it
  StateHash state_;
  std::vector<native::BlockRow> rows_;                 // of the chunk being filled
  OrderedPipeline<PlainBlock, StoredBlock> pipeline_;  // last: its consumer uses the others
};

}  // namespace epochfs::engine
