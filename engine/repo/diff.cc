// diff(): which pages differ between two epochs.

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

}  // namespace

Result<DiffReport> diff(Database& database, Epoch from, Epoch to) {
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
