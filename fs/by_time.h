// The calendar under by-time/: which years, months and days have epochs, found by skipping from one
// to the next with a lookup each, never by walking the epochs.
#pragma once

#include <vector>

#include "engine/core/time.h"
#include "engine/view/view.h"

namespace epochfs::fs {

enum class CalendarUnit { kYear, kMonth, kDay };

// From `begin` (included) to `end` (not included).
struct Period {
  engine::UtcTime begin;
  engine::UtcTime end;
};

// All years that have a name of four digits and fit into nanoseconds.
Period browsable_years() noexcept;
// The year, month or day that `date` lies in; parts below `unit` are ignored. nullopt: the calendar
// has no such date, or it is not browsable.
std::optional<Period> period_of(engine::CalendarDay date, CalendarUnit unit) noexcept;

// The last epoch committed in `period`.
engine::Result<std::optional<engine::native::EpochFacts>> newest_in(
    const engine::Timeline& timeline, Period period);

// The years, months or days of `period` that have epochs, ascending. Parts below `unit` are 0.
engine::Result<std::vector<engine::CalendarDay>> dates_with_epochs(const engine::Timeline& timeline,
                                                                   Period period,
                                                                   CalendarUnit unit);

}  // namespace epochfs::fs
