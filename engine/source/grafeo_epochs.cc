#include "engine/source/grafeo_epochs.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/source/grafeo_indexer.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

void add_up(std::uint32_t& sum, std::uint64_t more) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  sum = static_cast<std::uint32_t>(std::min(kMost, sum + std::min(more, kMost)));
}

}  // namespace

Result<GrafeoEpochs> GrafeoEpochs::begin(PageIndex::Writer& writer, DatabaseRow& row,
                                         SegmentNo segment, UtcTime created) {
  TRY_ASSIGN(const SegmentRow base, writer.reader().segment(row.number, row.base));
  GrafeoEpochs epochs(writer, row, segment, created);
  epochs.image_bytes_ = base.image_bytes;
  TRY_ASSIGN(epochs.newest_committed_, newest_committed(writer.reader(), row));
  return epochs;
}

void GrafeoEpochs::count(std::uint64_t commits, std::uint64_t records) noexcept {
  row_.log.open_commits += commits;
  row_.log.open_records += records;
}

Result<void> GrafeoEpochs::mark(Epoch epoch, std::uint64_t end, UtcTime committed) {
  if (epoch > kEpochMax) return Error::corrupt(fmt::format("epoch {}", epoch.get()));
  if (epoch > greatest()) {
    TRY(finish());
    open_.emplace();
    open_->facts.epoch = epoch;
    open_->facts.committed = committed;
    open_->facts.captured = created_;
    open_->facts.how = native::Captured::kLog;
    open_->segment = segment_;
    open_->base = row_.base;
  }
  if (!open_) return {};  // of an epoch that another segment brought: the next one counts it
  extend(end);
  add_up(open_->facts.commits_folded, std::exchange(row_.log.open_commits, 0));
  add_up(open_->facts.pages_changed, std::exchange(row_.log.open_records, 0));
  return {};
}

void GrafeoEpochs::extend(std::uint64_t end) noexcept {
  if (open_) open_->log_bytes = end;
}

Result<void> GrafeoEpochs::finish() {
  if (!open_) return {};
  open_->facts.log_bytes = open_->log_bytes - std::exchange(row_.log.epoch_bytes, open_->log_bytes);
  open_->facts.size_bytes = image_bytes_ + log_file_bytes(row_.log.generation, open_->log_bytes);
  TRY(put_grafeo_epoch(writer_, row_, *open_, newest_committed_));
  open_.reset();
  return {};
}

Result<UtcTime> newest_committed(const PageIndex::Reader& reader, const DatabaseRow& row) {
  if (row.epoch_count == 0) return UtcTime(std::numeric_limits<std::int64_t>::min());
  TRY_ASSIGN(const auto newest, reader.epoch(row.number, row.newest));
  if (!newest) return Error::corrupt("index: the newest epoch is missing");
  return newest->facts.committed;
}

Result<void> put_grafeo_epoch(PageIndex::Writer& writer, DatabaseRow& row, EpochRow& epoch,
                              UtcTime& newest) {
  native::EpochFacts& facts = epoch.facts;
  facts.committed = newest = std::max(facts.committed, newest);
  facts.captured = std::max(facts.captured, facts.committed);
  if (row.epoch_count == 0) row.oldest = facts.epoch;
  row.newest = facts.epoch;
  ++row.epoch_count;
  return writer.put_epoch(row.number, epoch);
}

}  // namespace epochfs::engine
