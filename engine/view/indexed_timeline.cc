#include "engine/view/indexed_timeline.h"

#include <algorithm>

namespace epochfs::engine {
namespace {

std::optional<native::EpochFacts> facts_of(const std::optional<EpochRow>& row) {
  return row ? std::optional(row->facts) : std::nullopt;
}

}  // namespace

IndexedTimeline::IndexedTimeline(std::shared_ptr<PageIndex> index, DatabaseRow row,
                                 std::optional<UtcTime> covered_until)
    : index_(std::move(index)), row_(std::move(row)), covered_until_(covered_until) {}

std::optional<Epoch> IndexedTimeline::oldest() const noexcept {
  return row_.epoch_count > 0 ? std::optional(row_.oldest) : std::nullopt;
}

std::optional<Epoch> IndexedTimeline::newest() const noexcept {
  return row_.epoch_count > 0 ? std::optional(row_.newest) : std::nullopt;
}

Result<std::optional<native::EpochFacts>> IndexedTimeline::find(Epoch epoch) const {
  if (row_.epoch_count == 0 || epoch > row_.newest) return std::optional<native::EpochFacts>();
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto row, reader.epoch(row_.number, epoch));
  return facts_of(row);
}

Result<std::optional<native::EpochFacts>> IndexedTimeline::newest_below(Epoch epoch) const {
  if (epoch.get() == 0) return std::optional<native::EpochFacts>();
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  const Epoch last = std::min(Epoch(epoch.get() - 1), row_.newest);
  TRY_ASSIGN(const auto row, reader.last_epoch_not_after(row_.number, last));
  return facts_of(row);
}

// Commit times never run backwards, so the epochs are sorted by them too: a binary search over
// epoch numbers, in which a number that does not exist stands for the next one that does.
Result<std::optional<native::EpochFacts>> IndexedTimeline::first_where_committed(
    UtcTime moment, bool strictly_after) const {
  if (row_.epoch_count == 0) return std::optional<native::EpochFacts>();
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  std::uint64_t low = row_.oldest.get();
  std::uint64_t high = row_.newest.get() + 1;
  std::optional<native::EpochFacts> found;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const auto row, reader.first_epoch_from(row_.number, Epoch(middle)));
    const bool exists = row && row->facts.epoch <= row_.newest;
    if (exists &&
        (strictly_after ? row->facts.committed <= moment : row->facts.committed < moment)) {
      low = row->facts.epoch.get() + 1;
      continue;
    }
    if (exists) found = row->facts;
    high = middle;
  }
  return found;
}

Result<std::optional<native::EpochFacts>> IndexedTimeline::oldest_from(UtcTime moment) const {
  return first_where_committed(moment, false);
}

Result<std::optional<native::EpochFacts>> IndexedTimeline::newest_at(UtcTime moment) const {
  if (row_.epoch_count == 0) return std::optional<native::EpochFacts>();
  TRY_ASSIGN(const auto behind, first_where_committed(moment, true));
  return newest_below(behind ? behind->epoch : Epoch(row_.newest.get() + 1));
}

Result<std::vector<native::EpochFacts>> IndexedTimeline::list(Epoch first,
                                                              std::size_t count_max) const {
  std::vector<native::EpochFacts> found;
  if (row_.epoch_count == 0) return found;
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto rows, reader.epochs(row_.number, first, row_.newest, count_max));
  if (rows.empty() && count_max > 0 && first <= row_.newest)
    return Error::io("index: epochs are missing; without its cache directory it is built anew");
  found.reserve(rows.size());
  for (const EpochRow& row : rows) found.push_back(row.facts);
  return found;
}

Result<std::vector<native::EpochFacts>> IndexedTimeline::newest_epochs(
    std::size_t count_max) const {
  std::vector<native::EpochFacts> found;
  if (row_.epoch_count == 0) return found;
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  Epoch last = row_.newest;
  while (found.size() < count_max && last.get() > 0) {
    TRY_ASSIGN(const auto row, reader.last_epoch_not_after(row_.number, last));
    if (!row) break;
    found.push_back(row->facts);
    last = Epoch(row->facts.epoch.get() - 1);
  }
  std::ranges::reverse(found);
  return found;
}

}  // namespace epochfs::engine
