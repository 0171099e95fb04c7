// diff(): which pages differ between two epochs, or what was committed between them.

#include <fmt/format.h>

#include <algorithm>

#include "engine/repo/operations.h"

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kPagesAtOnce = 16384;

void add_page(std::vector<PageRange>& ranges, std::uint64_t page) {
  if (!ranges.empty() && ranges.back().last.get() + 1 == page)
    ranges.back().last = page_no(page);
  else
    ranges.push_back({page_no(page), page_no(page)});
}

Result<native::EpochFacts> facts_of(const Timeline& timeline, Epoch epoch) {
  TRY_ASSIGN(const auto facts, timeline.find(epoch));
  if (!facts) return Error::no_such_epoch(fmt::format("no epoch {}", epoch.get()));
  return *facts;
}

// What the log says of the epochs behind `first` up to `last`.
Result<DiffReport::Log> log_between(const Timeline& timeline, Epoch first, Epoch last) {
  DiffReport::Log log;
  TRY(visit_epochs(timeline, Epoch(first.get() + 1),
                   [&](const native::EpochFacts& facts) -> Result<bool> {
                     if (facts.epoch > last) return false;
                     ++log.epochs;
                     log.transactions += facts.commits_folded;
                     log.records += facts.pages_changed;
                     log.bytes += facts.log_bytes;
                     // What lies between an image and the epoch before it is in no log.
                     if (facts.how == native::Captured::kImage) log.complete = false;
                     return true;
                   }));
  return log;
}

Result<DiffReport> diff_of_logs(const Timeline& timeline, Epoch from, Epoch to) {
  DiffReport report;
  TRY_ASSIGN(report.from, facts_of(timeline, from));
  TRY_ASSIGN(report.to, facts_of(timeline, to));
  TRY_ASSIGN(report.log, log_between(timeline, std::min(from, to), std::max(from, to)));
  return report;
}

}  // namespace

Result<DiffReport> diff(Database& database, Epoch from, Epoch to) {
  if (database.engine() == native::Engine::kGrafeo) {
    TRY_ASSIGN(const auto timeline, database.timeline());
    return diff_of_logs(*timeline, from, to);
  }
  TRY_ASSIGN(const auto before, database.image(from));
  TRY_ASSIGN(const auto after, database.image(to));
  DiffReport report;
  report.from = before->facts();
  report.to = after->facts();
  const PageSize page_size = after->page_size();
  const std::uint64_t pages_before = before->page_size().pages_in(report.from.size_bytes);
  const std::uint64_t pages_after = page_size.pages_in(report.to.size_bytes);
  // Pages of different sizes have nothing in common: everything is new.
  const std::uint64_t common =
      before->page_size() == page_size ? std::min(pages_before, pages_after) : 0;
  for (std::uint64_t page = 1; page <= common; page += kPagesAtOnce) {
    const PageRange range{page_no(page), page_no(std::min(page + kPagesAtOnce - 1, common))};
    TRY_ASSIGN(const auto old_hashes, before->page_hashes(range));
    TRY_ASSIGN(const auto new_hashes, after->page_hashes(range));
    for (std::size_t i = 0; i < new_hashes.size(); ++i) {
      if (old_hashes[i] == new_hashes[i]) continue;
      ++report.pages_changed;
      add_page(report.ranges, page + i);
    }
  }
  if (pages_after > common) {
    report.pages_added = pages_after - common;
    if (!report.ranges.empty() && report.ranges.back().last.get() == common)
      report.ranges.back().last = page_no(pages_after);
    else
      report.ranges.push_back({page_no(common + 1), page_no(pages_after)});
  }
  report.pages_removed = pages_before - common;
  report.bytes_changed = (report.pages_changed + report.pages_added) * page_size.bytes();
  return report;
}

}  // namespace epochfs::engine
