// The bytes of a segment on their way into an upload: signature, units, tables, footer. Both
// writers build on it; private to this room.
//
// Threads   one
// Memory    a write buffer and the compressed table chunks, which go out at the end
#pragma once

#include "engine/segment/segment_writer.h"

namespace epochfs::engine {

class SegmentOutput {
 public:
  SegmentOutput(Upload& upload, int level);

  // A block or record; units lie one behind the other.
  Result<void> put_unit(ByteView unit);
  // Chunks of unit tables first, then chunks of epochs.
  Result<void> add_table(native::TableKind kind, std::size_t rows, ByteView raw);
  // Everything that is still to be written. Counts and places in `footer` are filled in.
  Result<SegmentSummary> finish(native::Footer footer);

  [[nodiscard]] std::uint64_t unit_count() const noexcept { return unit_count_; }

 private:
  Result<void> put(ByteView bytes);
  Result<void> flush();

  Upload& upload_;
  const int level_;
  Bytes buffer_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t unit_count_ = 0;
  Crc32 checksum_;
  Sha256 sha256_;
  std::vector<Bytes> tables_;  // header and frame of each chunk
};

// Every epoch, chunk by chunk. kInvalid when they run backwards.
Result<void> add_epoch_tables(SegmentOutput& output, std::span<const native::EpochFacts> epochs);

}  // namespace epochfs::engine
