#include "fs/by_time.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/fs/fake_repository.h"

namespace epochfs::fs {
namespace {

using engine::CalendarDay;
using engine::Epoch;
using engine::UtcTime;
using testing::fake_facts;
using testing::FakeTimeline;
using testing::kNanosPerSecond;
using testing::utc;

FakeTimeline timeline_at(const std::vector<std::string_view>& moments) {
  std::vector<engine::native::EpochFacts> epochs;
  for (const std::string_view moment : moments)
    epochs.push_back(fake_facts(epochs.size() + 1, utc(moment)));
  return FakeTimeline(std::move(epochs));
}

std::vector<CalendarDay> dates(const engine::Timeline& timeline, CalendarDay within,
                               CalendarUnit within_unit, CalendarUnit unit) {
  return dates_with_epochs(timeline, *period_of(within, within_unit), unit).value();
}

TEST(ByTimeTest, ListsTheYearsThatHaveEpochsOverGaps) {
  const FakeTimeline timeline =
      timeline_at({"1999-12-31T23:59:59", "2000-01-01", "2013-06-01", "2026-11-20"});
  const std::vector<CalendarDay> want = {{1999, 0, 0}, {2000, 0, 0}, {2013, 0, 0}, {2026, 0, 0}};
  EXPECT_EQ(dates_with_epochs(timeline, browsable_years(), CalendarUnit::kYear).value(), want);
}

TEST(ByTimeTest, ListsMonthsAndDaysOfTheirPeriodOnly) {
  const FakeTimeline timeline = timeline_at(
      {"2025-12-31T23:59:59", "2026-01-01", "2026-01-31T23:59:59", "2026-02-28", "2027-01-01"});
  const std::vector<CalendarDay> months = {{2026, 1, 0}, {2026, 2, 0}};
  EXPECT_EQ(dates(timeline, {2026, 0, 0}, CalendarUnit::kYear, CalendarUnit::kMonth), months);
  const std::vector<CalendarDay> days = {{2026, 1, 1}, {2026, 1, 31}};
  EXPECT_EQ(dates(timeline, {2026, 1, 0}, CalendarUnit::kMonth, CalendarUnit::kDay), days);
}

TEST(ByTimeTest, FindsTheNewestOfAPeriod) {
  const FakeTimeline timeline =
      timeline_at({"2026-11-19T23:59:59", "2026-11-20", "2026-11-20T23:59:59", "2026-11-21"});
  const auto newest = newest_in(timeline, *period_of({2026, 11, 20}, CalendarUnit::kDay)).value();
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->epoch, Epoch(3));
  EXPECT_FALSE(newest_in(timeline, *period_of({2026, 11, 22}, CalendarUnit::kDay)).value());
}

TEST(ByTimeTest, SkipsFromDateToDateWhateverTheNumberOfEpochs) {
  // One a minute: a million minutes are not quite two years.
  const FakeTimeline timeline(
      testing::fake_history(1'000'000, utc("2025-01-01"), 60 * kNanosPerSecond));
  EXPECT_EQ(dates_with_epochs(timeline, browsable_years(), CalendarUnit::kYear).value().size(), 2U);
  EXPECT_EQ(dates(timeline, {2025, 0, 0}, CalendarUnit::kYear, CalendarUnit::kMonth).size(), 12U);
  EXPECT_EQ(dates(timeline, {2025, 2, 0}, CalendarUnit::kMonth, CalendarUnit::kDay).size(), 28U);
  EXPECT_LT(timeline.lookups, 60U);
  EXPECT_EQ(timeline.listed, 0U);
}

TEST(ByTimeTest, LeavesOutMomentsThatNoYearOfFourDigitsHolds) {
  std::vector<engine::native::EpochFacts> epochs = {
      fake_facts(1, UtcTime(std::numeric_limits<std::int64_t>::min())),
      fake_facts(2, utc("2026-11-20")),
      fake_facts(3, UtcTime(std::numeric_limits<std::int64_t>::max()))};
  const FakeTimeline timeline(std::move(epochs));
  const std::vector<CalendarDay> want = {{2026, 0, 0}};
  EXPECT_EQ(dates_with_epochs(timeline, browsable_years(), CalendarUnit::kYear).value(), want);
}

TEST(ByTimeTest, KnowsNoDateThatTheCalendarLacks) {
  EXPECT_FALSE(period_of({2026, 13, 1}, CalendarUnit::kMonth));
  EXPECT_FALSE(period_of({2026, 0, 1}, CalendarUnit::kMonth));
  EXPECT_FALSE(period_of({2026, 2, 29}, CalendarUnit::kDay));
  EXPECT_TRUE(period_of({2024, 2, 29}, CalendarUnit::kDay));
  EXPECT_FALSE(period_of({2026, 4, 31}, CalendarUnit::kDay));
  EXPECT_FALSE(period_of({9999, 1, 1}, CalendarUnit::kYear));
  EXPECT_FALSE(period_of({0, 1, 1}, CalendarUnit::kYear));
}

TEST(ByTimeTest, JoinsPeriodsWithoutAGap) {
  const auto december = period_of({2026, 12, 0}, CalendarUnit::kMonth);
  EXPECT_EQ(december->end, period_of({2027, 1, 0}, CalendarUnit::kMonth)->begin);
  EXPECT_EQ(december->end, period_of({2026, 12, 31}, CalendarUnit::kDay)->end);
  EXPECT_EQ(december->end, period_of({2026, 0, 0}, CalendarUnit::kYear)->end);
}

}  // namespace
}  // namespace epochfs::fs
