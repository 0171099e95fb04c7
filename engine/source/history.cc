#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

bool continues(const DatabaseRow& row, const History& history) {
  if (row.segment_count > history.segment_count()) return false;
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < row.segment_count; ++i) sum = history.fold(sum, SegmentNo(i));
  return sum == row.segments_hash;
}

// The row to go on from; nullopt: what the index has, if anything, is of no use.
Result<std::optional<DatabaseRow>> usable_row(const PageIndex::Reader& reader,
                                              const History& history, bool again) {
  TRY_ASSIGN(auto known, reader.database(history.database()));
  if (!known || !continues(*known, history)) return std::optional<DatabaseRow>();
  if (!again) return known;
  if (!known->problems.empty()) return std::optional<DatabaseRow>();
  TRY_ASSIGN(const bool current, history.is_current(reader, *known));
  return current ? std::move(known) : std::nullopt;
}

Result<DatabaseRow> begin(PageIndex::Writer& writer, const History& history, bool again) {
  TRY_ASSIGN(auto known, usable_row(writer.reader(), history, again));
  if (known) return *std::move(known);
  DatabaseRow fresh;
  TRY_ASSIGN(fresh.number, writer.begin_database(history.database()));
  return fresh;
}

// Takes in the next segment, or finds nothing to do. False: the index is up to date.
Result<bool> step(PageIndex& index, const History& history, bool& again, DatabaseRow& result) {
  TRY_ASSIGN(PageIndex::Writer writer, index.write());
  TRY_ASSIGN(DatabaseRow row, begin(writer, history, again));
  if (row.segment_count < history.segment_count()) {
    const SegmentNo segment(row.segment_count);
    auto taken = history.take(writer, row, segment);
    if (!taken) {
      if (!is_damage(taken.error())) return tl::unexpected(std::move(taken).error());
      // Nothing of a damaged segment stays: this transaction is dropped and the problem goes into
      // another.
      { const PageIndex::Writer dropped = std::move(writer); }
      TRY_ASSIGN(writer, index.write());
      TRY_ASSIGN(row, begin(writer, history, again));
      if (row.segment_count != segment.get()) return true;  // another process was faster
      history.give_up(row, segment, taken.error());
    }
    row.segments_hash = history.fold(row.segments_hash, segment);
    row.segment_count += 1;
    row.stored_bytes += history.stored_bytes(segment);
  }
  const bool more = row.segment_count < history.segment_count();
  TRY(writer.put_database(history.database(), row));
  TRY(std::move(writer).commit());
  again = false;
  result = std::move(row);
  return more;
}

}  // namespace

bool is_damage(const Error& error) noexcept {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
         error.code == Code::kNotFound;
}

void add_problem(DatabaseRow& row, IndexProblem problem) {
  if (row.problems.size() > kProblemsMax) return;
  if (row.problems.size() == kProblemsMax)
    problem = {"", "more segments are damaged; run verify to see them all", {}, {}};
  row.problems.push_back(std::move(problem));
}

void spare_last(DatabaseRow& row, Epoch epoch) noexcept {
  for (IndexProblem& problem : row.problems) {
    if (problem.last_lost != epoch) continue;
    if (problem.first_lost == problem.last_lost)
      problem.first_lost = problem.last_lost = Epoch();
    else
      problem.last_lost = Epoch(problem.last_lost.get() - 1);
  }
}

Result<DatabaseRow> take_in(PageIndex& index, const History& history, bool again) {
  {
    TRY_ASSIGN(const PageIndex::Reader reader, index.read());
    TRY_ASSIGN(auto known, usable_row(reader, history, again));
    if (known && known->segment_count == history.segment_count()) return *std::move(known);
  }
  DatabaseRow row;
  while (true) {
    TRY_ASSIGN(const bool more, step(index, history, again, row));
    if (!more) return row;
  }
}

}  // namespace epochfs::engine
