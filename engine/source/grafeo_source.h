// The bytes of a Grafeo database at any epoch: an image, and a log that is put together from the
// pieces of it that the incrementals hold.
//
// Trust     the index alone says what lies where; an object that is not the one that was indexed is
//           never read from. What the index does not cover (the content of images) is served as it
//           is stored: verify looks at that
// Threads   any
// Memory    of what is asked for; nothing is kept
// Errors    kCorrupt: an object is missing or changed since it was indexed, with its name ·
//           kNoSuchEpoch · kIo
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/pieces.h"
#include "engine/source/grafeo_indexer.h"

namespace epochfs::engine {

// Behind the name of a database, where Grafeo looks for the directory of its log.
inline constexpr std::string_view kGrafeoLogSuffix = ".wal";

// What every read of one epoch needs, looked up once. It never changes.
struct GrafeoEpoch {
  DatabaseNo database;
  EpochRow row;
  SegmentRow base;        // the image
  std::string segment;    // file that brought the epoch
  grafeo::Lsn first_lsn;  // v2: of the first frame in the log, if there is one

  [[nodiscard]] bool has_log() const noexcept { return row.log_bytes > 0; }
  // Under which Grafeo looks for the log, in the directory beside the image.
  [[nodiscard]] std::string log_name() const;
  [[nodiscard]] std::uint64_t log_file_bytes() const noexcept {
    return engine::log_file_bytes(base.generation, row.log_bytes);
  }
  // What follows the stored bytes of the log: an empty group for v2.
  [[nodiscard]] Bytes log_end() const;
};

class GrafeoSource {
 public:
  GrafeoSource(std::shared_ptr<const Storage> storage, std::shared_ptr<PageIndex> index,
               GrafeoPlace place);

  Result<GrafeoEpoch> context(DatabaseNo database, Epoch epoch) const;

  // The bytes of `range`, which lies inside the image, or inside the file of the log.
  Result<Pieces> read_image(const GrafeoEpoch& at, ByteRange range) const;
  Result<Pieces> read_log(const GrafeoEpoch& at, ByteRange range) const;

  // The pieces of the epoch's log in order, the last cut to its share.
  using ExtentVisitor = std::function<Result<void>(const LogExtent&, const SegmentRow&)>;
  Result<void> visit_log(const GrafeoEpoch& at, const ExtentVisitor& visit) const;

  // The object of an indexed segment, or the reason why it is not that any more.
  Result<std::shared_ptr<const Blob>> open(const SegmentRow& segment) const;

  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept { return bytes_read_.load(); }
  [[nodiscard]] const GrafeoPlace& place() const noexcept { return place_; }

 private:
  Result<Piece> read_object(const SegmentRow& segment, ByteRange range) const;
  Result<std::vector<LogExtent>> extents(const GrafeoEpoch& at, ByteRange range) const;
  Result<SegmentRow> segment_row(const GrafeoEpoch& at, const LogExtent& extent) const;

  std::shared_ptr<const Storage> storage_;
  std::shared_ptr<PageIndex> index_;
  GrafeoPlace place_;
  mutable std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace epochfs::engine
