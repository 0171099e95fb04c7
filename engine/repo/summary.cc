#include "engine/repo/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

std::string problem_text(const IndexProblem& problem) {
  std::string what = fmt::format("{}: {}", printable(problem.object), problem.text);
  if (problem.first_lost.get() == 0) return what;
  return fmt::format("{} ({} {} lost)", what,
                     range_text("epoch", problem.first_lost.get(), problem.last_lost.get()),
                     problem.first_lost == problem.last_lost ? "is" : "are");
}

}  // namespace

Result<DatabaseSummary> summary_of(const IndexedTimeline& timeline) {
  DatabaseSummary summary;
  summary.epoch_count = timeline.epoch_count();
  if (timeline.oldest()) {
    TRY_ASSIGN(summary.oldest, timeline.find(*timeline.oldest()));
    TRY_ASSIGN(summary.newest, timeline.find(*timeline.newest()));
  }
  summary.covered_until = timeline.covered_until();
  summary.stored_bytes = timeline.stored_bytes();
  for (const IndexProblem& problem : timeline.row().problems)
    summary.problems.push_back(problem_text(problem));
  return summary;
}

Result<void> add_segment(DatabaseSummary& summary, const IndexedTimeline& timeline,
                         const Storage& storage, const ListedSegment& segment) {
  ++(segment.is_full ? summary.fulls : summary.incrementals);
  const std::vector<IndexProblem>& problems = timeline.row().problems;
  if (std::ranges::find(problems, segment.filename, &IndexProblem::object) != problems.end())
    return {};  // told already
  const auto info = storage.stat(segment.object);
  if (!info && !is_damage(info.error())) return tl::unexpected(info.error());
  if (!info && info.error().code != Code::kNotFound)
    summary.problems.push_back(info.error().text);
  else if (!info || info->size_bytes != segment.size_bytes)
    summary.problems.push_back(
        fmt::format("{}: {} since it was indexed; epochs that need it cannot be read",
                    printable(segment.filename), info ? "changed its size" : "disappeared"));
  return {};
}

}  // namespace epochfs::engine
