// One native segment, open for reading.
//
// Source    an object written by one of segment_writer.h; engine/formats/native/segment.md
// Trust     none: every count, length and offset is checked before it is used
// Threads   immutable once open; every function may run on any number of threads
// Memory    the footer and the end of the object (TailedBlob): the tables, up to 16 MiB of them;
//           one table chunk at a time
#pragma once

#include <functional>
#include <memory>

#include "engine/formats/native/segment_layout.h"
#include "engine/segment/tailed_blob.h"

namespace epochfs::engine {

class SegmentReader {
 public:
  // Verifies signature, footer and the hash of the tables. `tables_sha256` is what the manifest
  // says (nullptr: do not compare). Three range reads at most, and none by the walks below, when
  // the tables fit into 16 MiB; chunked reads otherwise. kCorrupt: damage. kUnsupported: written by
  // a newer version.
  static Result<SegmentReader> open(std::shared_ptr<const Blob> blob,
                                    const Sha256Digest* tables_sha256);
  static Result<SegmentReader> open(TailedBlob tailed, const Sha256Digest* tables_sha256);

  [[nodiscard]] const native::Footer& footer() const noexcept { return footer_; }
  [[nodiscard]] const Blob& blob() const noexcept { return blob_.blob(); }

  // The tables, row by row in stored order. A visitor's failure ends the walk and is returned. At
  // the end the counts of the footer must have been met, else kCorrupt.
  using BlockVisitor =
      std::function<Result<void>(std::uint64_t offset, const native::BlockRow& row)>;
  using RecordVisitor =
      std::function<Result<void>(std::uint64_t offset, const native::RecordRow& row)>;
  using EpochVisitor = std::function<Result<void>(const native::EpochFacts& facts)>;
  Result<void> visit_blocks(const BlockVisitor& visit) const;
  Result<void> visit_records(const RecordVisitor& visit) const;
  Result<void> visit_epochs(const EpochVisitor& visit) const;

 private:
  SegmentReader(TailedBlob blob, const native::Footer& footer)
      : blob_(std::move(blob)), footer_(footer) {}

  TailedBlob blob_;
  native::Footer footer_;
};

}  // namespace epochfs::engine
