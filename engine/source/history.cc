#include "engine/source/history.h"

#include <fmt/format.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/core/shared_failure.h"
#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

// No object ever has it, so that the history is looked at anew the next time: a refusal may end
// without the object becoming another one.
constexpr std::string_view kVersionOfRefused = "refused";

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

// The last of the epochs that a damaged segment cost is in a full after all.
void spare_last(DatabaseRow& row, Epoch epoch) noexcept {
  for (IndexProblem& problem : row.problems) {
    if (problem.last_lost != epoch) continue;
    if (problem.first_lost == problem.last_lost)
      problem.first_lost = problem.last_lost = Epoch();
    else
      problem.last_lost = Epoch(problem.last_lost.get() - 1);
  }
}

// Takes what is missing into the index, many segments in one transaction, since each transaction
// copies all pages of the index that it touches. A segment that fails takes what was put before it
// in its transaction with it: that is taken again, and from then on each usable segment has a
// transaction of its own. What damaged segments cost is written with the next usable one, or at the
// end: the problems of a history are many at the worst, and writing all of them for each would cost
// the square of that.
class Intake {
 public:
  // Stored bytes of the segments in one transaction, about.
  static constexpr std::uint64_t kBatchBytes = 64 * 1024 * 1024;

  Intake(PageIndex& index, const History& history, bool again)
      : index_(index), history_(history), again_(again) {}

  Result<DatabaseRow> run() {
    do {
      TRY(step());
    } while (row_.segment_count < history_.segment_count());
    return std::move(row_);
  }

 private:
  // As much as one transaction takes, or to the end.
  Result<void> step() {
    TRY_ASSIGN(PageIndex::Writer writer, begin());
    const std::uint64_t bytes_before = row_.stored_bytes;
    DatabaseRow before = row_;
    bool any = false;
    while (row_.segment_count < history_.segment_count()) {
      const auto usable = take(writer);
      if (any && !(usable && *usable)) {
        one_by_one_ = true;
        row_ = std::move(before);
        return {};
      }
      TRY(usable);
      any = *usable;
      if (any && (one_by_one_ || row_.stored_bytes - bytes_before >= kBatchBytes)) break;
      if (any) continue;
      // Nothing of a damaged segment stays.
      { const PageIndex::Writer dropped = std::move(writer); }
      TRY_ASSIGN(writer, begin());
      before = row_;
    }
    TRY(writer.put_database(history_.database(), row_));
    TRY(std::move(writer).commit());
    stored_ = row_;
    return {};
  }

  // A transaction in which row_ says how far the history is taken in: as before, unless another
  // process has written meanwhile.
  Result<PageIndex::Writer> begin() {
    TRY_ASSIGN(PageIndex::Writer writer, index_.write());
    TRY_ASSIGN(const auto now, writer.reader().database(history_.database()));
    if (stored_ && now == stored_) return writer;
    TRY_ASSIGN(auto known, usable_row(writer.reader(), history_, std::exchange(again_, false)));
    if (!known) return begin_anew(std::move(writer), now.has_value());
    stored_ = known;
    row_ = *std::move(known);
    return writer;
  }

  // The rows of a history that was replaced may be many: they are dropped once, whatever comes.
  Result<PageIndex::Writer> begin_anew(PageIndex::Writer writer, bool replaces) {
    // Whoever reads an older manifest finds an index that is ahead of it. Throwing that away would
    // take the epochs from everybody else.
    TRY_ASSIGN(const bool newest, history_.is_newest());
    if (replaces && !newest)
      return Error::busy(fmt::format("the manifest of {} was replaced while it was read",
                                     printable(history_.database())));
    row_ = DatabaseRow();
    TRY_ASSIGN(row_.number, writer.begin_database(history_.database()));
    TRY(writer.put_database(history_.database(), row_));
    TRY(std::move(writer).commit());
    stored_ = row_;
    return begin();
  }

  // The next segment; false: nothing of it can be used, and the transaction must be dropped.
  Result<bool> take(PageIndex::Writer& writer) {
    const SegmentNo segment(row_.segment_count);
    const DatabaseRow before = without_problems(row_);
    const std::size_t problems_before = row_.problems.size();
    auto taken = history_.take(writer, row_, segment);
    const bool is_refused = !taken && is_refusal_of_object(taken.error());
    if (!taken && !is_refused && !is_damage(taken.error()))
      return tl::unexpected(std::move(taken).error());
    if (!taken) {
      go_back_to(before, problems_before);
      history_.give_up(row_, segment, taken.error());
    } else if (*taken) {
      spare_last(row_, **taken);
    }
    for (std::size_t i = problems_before; i < row_.problems.size(); ++i)
      row_.problems[i].version = is_refused
                                     ? std::string(kVersionOfRefused)
                                     : history_.version_seen(row_.problems[i].object)
                                           .value_or(history_.version_of(row_.problems[i].object));
    row_.segments_hash = history_.fold(row_.segments_hash, segment);
    row_.segment_count += 1;
    row_.stored_bytes += history_.stored_bytes(segment);
    return taken.has_value();
  }

  static DatabaseRow without_problems(DatabaseRow& row) {
    std::vector<IndexProblem> problems = std::exchange(row.problems, {});
    DatabaseRow copy = row;
    row.problems = std::move(problems);
    return copy;
  }
  void go_back_to(const DatabaseRow& before, std::size_t problem_count) {
    std::vector<IndexProblem> problems = std::move(row_.problems);
    problems.resize(problem_count);
    row_ = before;
    row_.problems = std::move(problems);
  }

  PageIndex& index_;
  const History& history_;
  bool again_;
  bool one_by_one_ = false;
  std::optional<DatabaseRow> stored_;  // in the index, when this process looked last
  DatabaseRow row_;                    // ahead of it by damaged segments
};

}  // namespace

bool is_damage(const Error& error) noexcept {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
         error.code == Code::kNotFound;
}

bool is_bad_medium(const Error& error) noexcept {
  return error.code == Code::kIo && error.system_errno == EIO;
}

void add_problem(DatabaseRow& row, IndexProblem problem) {
  if (row.problems.size() > kProblemsMax) return;
  if (row.problems.size() == kProblemsMax)
    problem = {"", "more segments are damaged; run verify to see them all", {}, {}};
  row.problems.push_back(std::move(problem));
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
  return Intake(index, history, again).run();
}

}  // namespace epochfs::engine
