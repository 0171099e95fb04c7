// The log of a Grafeo 0.6 database: whole groups from one log position to the newest.
//
// Source    the files of open_grafeo_log(), which may grow and vanish meanwhile
// Trust     none: every frame that is taken has passed its checksum
// Writes    nothing, but makes the log durable as far as it is taken: a backup must not hold what a
//           power failure may still take from the database
// Errors    kCorrupt: damage that no interrupted write explains, segments of another database ·
//           kUnsupported: encrypted, newer · kIo
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/capture/grafeo_log_files.h"
#include "engine/formats/grafeo/v2_scanner.h"
#include "engine/formats/grafeo/v2_segment.h"

namespace epochfs::engine {

// Whole groups of the log, and where they lie.
struct GrafeoV2Span {
  struct Piece {
    const GrafeoLogFile* file = nullptr;
    grafeo::V2SegmentHeader header;  // begins where the piece does
    std::uint64_t offset = 0;        // of its frames in the file
    std::uint64_t size_bytes = 0;    // of its frames
  };
  grafeo::Lsn end;  // behind the last group
  std::uint64_t groups_with_records = 0;
  std::vector<Epoch> epochs;  // those in the groups, ascending, each once
  std::vector<Piece> pieces;
};

class GrafeoV2Log {
 public:
  // Those segments of `log` that continue each other up to the newest one. Without any, the log is
  // empty at `image_lsn`.
  static Result<GrafeoV2Log> open(GrafeoLogFiles log, const grafeo::DatabaseId& database,
                                  grafeo::Lsn image_lsn);

  [[nodiscard]] grafeo::Lsn begin() const noexcept { return begin_; }
  [[nodiscard]] grafeo::Lsn end() const noexcept { return end_; }  // whole groups or not
  [[nodiscard]] bool reaches(grafeo::Lsn lsn) const noexcept;

  // From `start`, where a group must begin, to the last whole group. An unfinished write at the end
  // is left out.
  Result<GrafeoV2Span> span_from(grafeo::Lsn start) const;
  // The bytes of the log before `lsn` as far as one segment has them, at most `bytes_max`.
  Result<Bytes> bytes_before(grafeo::Lsn lsn, std::size_t bytes_max) const;

  // Makes the pieces durable where they lie, and feeds header and frames of each one.
  using Sink = std::function<Result<void>(ByteView)>;
  static Result<void> read(const GrafeoV2Span::Piece& piece, const Sink& sink);

 private:
  struct Segment {
    GrafeoLogFile file;
    grafeo::V2SegmentHeader header;
    grafeo::Lsn end;
  };
  static Result<Segment> open_segment(GrafeoLogFile file, const grafeo::DatabaseId& database);
  Result<void> scan(const Segment& segment, grafeo::Lsn start, GrafeoV2Span& span) const;

  std::vector<Segment> segments_;
  grafeo::Lsn begin_;
  grafeo::Lsn end_;
};

}  // namespace epochfs::engine
