#include "engine/source/history.h"

#include <fmt/format.h>

#include "engine/core/text.h"

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
  for (const IndexProblem& problem : known->problems) {
    if (!problem.object.empty() && history.version_of(problem.object) != problem.version)
      return std::optional<DatabaseRow>();
  }
  TRY_ASSIGN(const bool current, history.is_current(reader, *known));
  return current ? std::move(known) : std::nullopt;
}

// `last` is what this process wrote last, if anything: mostly still the newest.
Result<DatabaseRow> begin(PageIndex::Writer& writer, const History& history, bool again,
                          const std::optional<DatabaseRow>& last) {
  if (last) {
    TRY_ASSIGN(auto now, writer.reader().database(history.database()));
    if (now == last) return *std::move(now);
  }
  TRY_ASSIGN(auto known, usable_row(writer.reader(), history, again));
  if (known) return *std::move(known);
  // Whoever reads an older manifest finds an index that is ahead of it. Throwing that away would
  // take the epochs from everybody else.
  TRY_ASSIGN(const auto unfit, writer.reader().database(history.database()));
  TRY_ASSIGN(const bool newest, history.is_newest());
  if (unfit && !newest)
    return Error::busy(fmt::format("the manifest of {} was replaced while it was read",
                                   printable(history.database())));
  DatabaseRow fresh;
  TRY_ASSIGN(fresh.number, writer.begin_database(history.database()));
  return fresh;
}

// Takes in the next segment, or finds nothing to do. False: the index is up to date.
Result<bool> step(PageIndex& index, const History& history, bool& again,
                  std::optional<DatabaseRow>& last) {
  TRY_ASSIGN(PageIndex::Writer writer, index.write());
  TRY_ASSIGN(DatabaseRow row, begin(writer, history, again, last));
  const std::size_t problems_before = row.problems.size();
  if (row.segment_count < history.segment_count()) {
    const SegmentNo segment(row.segment_count);
    auto taken = history.take(writer, row, segment);
    if (!taken) {
      if (!is_damage(taken.error())) return tl::unexpected(std::move(taken).error());
      // Nothing of a damaged segment stays: this transaction is dropped and the problem goes into
      // another.
      { const PageIndex::Writer dropped = std::move(writer); }
      TRY_ASSIGN(writer, index.write());
      TRY_ASSIGN(row, begin(writer, history, again, last));
      if (row.segment_count != segment.get()) return true;  // another process was faster
      history.give_up(row, segment, taken.error());
    }
    for (std::size_t i = problems_before; i < row.problems.size(); ++i)
      row.problems[i].version = history.version_of(row.problems[i].object);
    row.segments_hash = history.fold(row.segments_hash, segment);
    row.segment_count += 1;
    row.stored_bytes += history.stored_bytes(segment);
  }
  const bool more = row.segment_count < history.segment_count();
  TRY(writer.put_database(history.database(), row));
  TRY(std::move(writer).commit());
  again = false;
  last = std::move(row);
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

Result<bool> is_indexed(const PageIndex& index, const DatabaseRow& row,
                        const std::string& database) {
  TRY_ASSIGN(const PageIndex::Reader reader, index.read());
  TRY_ASSIGN(const auto now, reader.database(database));
  return now && now->number == row.number;
}

Result<DatabaseRow> take_in(PageIndex& index, const History& history, bool again) {
  {
    TRY_ASSIGN(const PageIndex::Reader reader, index.read());
    TRY_ASSIGN(auto known, usable_row(reader, history, again));
    if (known && known->segment_count == history.segment_count()) return *std::move(known);
  }
  std::optional<DatabaseRow> row;
  while (true) {
    TRY_ASSIGN(const bool more, step(index, history, again, row));
    if (!more) return *std::move(row);
  }
}

}  // namespace epochfs::engine
