// Moments: UTC nanoseconds, their spellings, and the words people use for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/units.h"

namespace epochfs::engine {

UtcTime utc_now() noexcept;

struct CalendarDay {
  int year = 1970;
  unsigned month = 1;  // 1..12
  unsigned day = 1;    // 1..31
  friend auto operator<=>(const CalendarDay&, const CalendarDay&) = default;
};
CalendarDay utc_day(UtcTime moment) noexcept;
// 00:00:00 UTC; the nearest moment that there is when the day begins beyond what 64 bits hold.
UtcTime start_of(CalendarDay day) noexcept;

std::string format_utc(UtcTime moment);         // 2026-11-20T12:00:03.120456789Z
std::string format_utc_millis(UtcTime moment);  // 2026-11-20T12:00:03.120Z
// Safe in file names: 2026-11-20T12-00-03.120Z
std::string format_utc_filename(UtcTime moment);

// A moment as people write it; UTC unless it carries an offset:
//   2026-11-20   2026-11-20T12   2026-11-20T12:00   2026-11-20 12:00:03.12 2026-11-20T12-00-03.120Z
//   2026-11-20T12:00+02:00   2026-11-20T12:00-0500   now   90s-ago   15m-ago   2h-ago   3d-ago
//   1w-ago
// Parts that are left out are zero: 2026-11-20 is the first instant of that day. Only a fraction
// means the end of its last digit (03.120 is the last nanosecond of that millisecond), so that a
// time printed with milliseconds selects the epoch that it was printed for. nullopt: not a moment.
std::optional<UtcTime> parse_moment(std::string_view text, UtcTime now);

}  // namespace epochfs::engine
