// The epochs that an incremental of Grafeo's brings, in the order of its log, on their way into
// the index.
//
// Why       where an epoch ends is known only when a greater one begins: groups and EpochAdvance
//           frames may repeat a number. A number that is not greater than all before it is no new
//           epoch; what it is about belongs to the one that is being collected
// Threads   one
#pragma once

#include <optional>

#include "engine/index/page_index.h"

namespace epochfs::engine {

class GrafeoEpochs {
 public:
  // For the incremental `segment`, made at `created`, of the chain that is open in `row`.
  static Result<GrafeoEpochs> begin(PageIndex::Writer& writer, DatabaseRow& row, SegmentNo segment,
                                    UtcTime created);

  // Commits and records that the next mark() is about.
  void count(std::uint64_t commits, std::uint64_t records) noexcept;
  // The log of the chain up to `end` is `epoch`, committed at `committed`. kCorrupt: the number is
  // out of range.
  Result<void> mark(Epoch epoch, std::uint64_t end, UtcTime committed);
  // The log up to `end` belongs to the epoch before, if this incremental has one.
  void extend(std::uint64_t end) noexcept;

  [[nodiscard]] Epoch greatest() const noexcept { return open_ ? open_->facts.epoch : row_.newest; }
  // Nothing can follow that belongs to the last epoch, too.
  Result<void> finish();

 private:
  GrafeoEpochs(PageIndex::Writer& writer, DatabaseRow& row, SegmentNo segment, UtcTime created)
      : writer_(writer), row_(row), segment_(segment), created_(created) {}

  PageIndex::Writer& writer_;
  DatabaseRow& row_;
  SegmentNo segment_;
  UtcTime created_;
  std::uint64_t image_bytes_ = 0;
  UtcTime newest_committed_;
  std::optional<EpochRow> open_;
};

// When the newest epoch of the history was committed; the beginning of time when there is none.
Result<UtcTime> newest_committed(const PageIndex::Reader& reader, const DatabaseRow& row);
// Adds an epoch to the history. Its times are moved so that they never run backwards: `newest` is
// that of the epoch before, and becomes its own.
Result<void> put_grafeo_epoch(PageIndex::Writer& writer, DatabaseRow& row, EpochRow& epoch,
                              UtcTime& newest);

}  // namespace epochfs::engine
