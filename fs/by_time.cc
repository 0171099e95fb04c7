#include "fs/by_time.h"

namespace epochfs::fs {

using engine::CalendarDay;
using engine::Result;
using engine::UtcTime;

namespace {

constexpr int kFirstYear = 1678;
constexpr int kLastYear = 2261;

bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

unsigned days_in(int year, unsigned month) {
  if (month == 2) return is_leap(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

CalendarDay year_after(int year) { return {year + 1, 1, 1}; }

CalendarDay month_after(int year, unsigned month) {
  return month == 12 ? year_after(year) : CalendarDay{year, month + 1, 1};
}

CalendarDay day_after(CalendarDay day) {
  return day.day == days_in(day.year, day.month) ? month_after(day.year, day.month)
                                                 : CalendarDay{day.year, day.month, day.day + 1};
}

Period between(CalendarDay first, CalendarDay after) {
  return {engine::start_of(first), engine::start_of(after)};
}

CalendarDay truncated(CalendarDay date, CalendarUnit unit) {
  if (unit == CalendarUnit::kYear) return {date.year, 0, 0};
  if (unit == CalendarUnit::kMonth) return {date.year, date.month, 0};
  return date;
}

}  // namespace

Period browsable_years() noexcept { return between({kFirstYear, 1, 1}, year_after(kLastYear)); }

std::optional<Period> period_of(CalendarDay date, CalendarUnit unit) noexcept {
  if (date.year < kFirstYear || date.year > kLastYear) return std::nullopt;
  if (unit == CalendarUnit::kYear) return between({date.year, 1, 1}, year_after(date.year));
  if (date.month < 1 || date.month > 12) return std::nullopt;
  if (unit == CalendarUnit::kMonth)
    return between({date.year, date.month, 1}, month_after(date.year, date.month));
  if (date.day < 1 || date.day > days_in(date.year, date.month)) return std::nullopt;
  return between(date, day_after(date));
}

Result<std::optional<engine::native::EpochFacts>> newest_in(const engine::Timeline& timeline,
                                                            Period period) {
  TRY_ASSIGN(auto newest, timeline.newest_at(UtcTime(period.end.get() - 1)));
  if (newest && newest->committed < period.begin) newest.reset();
  return newest;
}

Result<std::vector<CalendarDay>> dates_with_epochs(const engine::Timeline& timeline, Period period,
                                                   CalendarUnit unit) {
  std::vector<CalendarDay> dates;
  for (UtcTime at = period.begin; at < period.end;) {
    TRY_ASSIGN(const auto next, timeline.oldest_from(at));
    if (!next || next->committed >= period.end) break;
    const CalendarDay date = engine::utc_day(next->committed);
    const auto unit_period = period_of(date, unit);
    if (!unit_period || unit_period->end <= at) break;  // a timeline that does not run forward
    dates.push_back(truncated(date, unit));
    at = unit_period->end;
  }
  return dates;
}

}  // namespace epochfs::fs
