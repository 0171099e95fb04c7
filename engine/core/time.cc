#include "engine/core/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <limits>

namespace epochfs::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

using Days = std::chrono::sys_days;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

struct ClockTime {
  CalendarDay day;
  std::int64_t hour, minute, second, nanos;
};

ClockTime split(UtcTime moment) {
  const std::int64_t within = (moment.get() % kDay + kDay) % kDay;
  return {utc_day(moment), within / kHour, within % kHour / kMinute, within % kMinute / kSecond,
          within % kSecond};
}

// Reads exactly `width` digits, or none at all when they are not there.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<std::int64_t> digits(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + width, value);
    if (error != std::errc() || end != rest_.data() + width || rest_[0] == '-') return std::nullopt;
    rest_.remove_prefix(width);
    return value;
  }
  bool accept(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_[0]) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<std::int64_t> parse_fraction(Reader& in) {
  std::int64_t value = 0;
  std::int64_t unit = kSecond;
  while (unit > 1) {
    const auto digit = in.digits(1);
    if (!digit) break;
    unit /= 10;
    value += *digit * unit;
  }
  if (unit == kSecond) return std::nullopt;
  return value + unit - 1;  // the end of the last digit
}

std::optional<std::int64_t> parse_offset(Reader& in) {
  if (in.done()) return 0;
  if (in.accept("zZ")) return in.done() ? std::optional<std::int64_t>(0) : std::nullopt;
  const bool east = in.rest()[0] == '+';
  if (!in.accept("+-")) return std::nullopt;
  const auto hours = in.digits(2);
  if (!hours || *hours > 15) return std::nullopt;
  std::int64_t offset = *hours * kHour;
  if (!in.done()) {
    in.accept(":");
    const auto minutes = in.digits(2);
    if (!minutes || *minutes > 59 || !in.done()) return std::nullopt;
    offset += *minutes * kMinute;
  }
  return east ? offset : -offset;
}

std::optional<UtcTime> parse_calendar(std::string_view text) {
  Reader in(text);
  const auto year = in.digits(4);
  if (!year || !in.accept("-")) return std::nullopt;
  const auto month = in.digits(2);
  if (!month || !in.accept("-")) return std::nullopt;
  const auto day = in.digits(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *year < 1678 || *year > 2261)
    return std::nullopt;  // what 64-bit nanoseconds hold
  std::int64_t moment = Days(date).time_since_epoch().count() * kDay;
  if (in.done()) return UtcTime(moment);
  if (!in.accept("Tt _")) return std::nullopt;
  constexpr std::array kUnits = {kHour, kMinute, kSecond};
  constexpr std::array kLimits = {23, 59, 60};
  // File names have '-' between the parts of a time. After hours it is that, after "12:00" it
  // begins an offset.
  const std::string_view separator = in.rest().substr(0, 3).ends_with('-') ? "-" : ":";
  for (std::size_t part = 0; part < kUnits.size(); ++part) {
    if (part > 0 && !in.accept(separator)) break;
    const auto value = in.digits(2);
    if (!value || *value > kLimits[part]) return std::nullopt;
    moment += *value * kUnits[part];
    if (part == 2 && in.accept(".,")) {
      const auto fraction = parse_fraction(in);
      if (!fraction) return std::nullopt;
      moment += *fraction;
    }
  }
  const auto offset = parse_offset(in);
  if (!offset) return std::nullopt;
  return UtcTime(moment - *offset);
}

std::optional<UtcTime> parse_ago(std::string_view text, UtcTime now) {
  constexpr std::string_view kSuffix = "-ago";
  if (!text.ends_with(kSuffix)) return std::nullopt;
  text.remove_suffix(kSuffix.size());
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t scale = 0;
  if (unit == "s") scale = kSecond;
  if (unit == "m" || unit == "min") scale = kMinute;
  if (unit == "h") scale = kHour;
  if (unit == "d") scale = kDay;
  if (unit == "w") scale = 7 * kDay;
  std::int64_t span = 0;
  if (scale == 0 || __builtin_mul_overflow(count, scale, &span)) return std::nullopt;
  std::int64_t moment = 0;
  if (__builtin_sub_overflow(now.get(), span, &moment)) return std::nullopt;
  return UtcTime(moment);
}

}  // namespace

UtcTime utc_now() noexcept {
  return UtcTime(std::chrono::duration_cast<std::chrono::nanoseconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count());
}

CalendarDay utc_day(UtcTime moment) noexcept {
  const auto days = std::chrono::days(floor_div(moment.get(), kDay));
  const std::chrono::year_month_day date{Days(days)};
  return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day())};
}

UtcTime start_of(CalendarDay day) noexcept {
  const std::chrono::year_month_day date(std::chrono::year(day.year), std::chrono::month(day.month),
                                         std::chrono::day(day.day));
  std::int64_t moment = 0;
  const auto days = static_cast<std::int64_t>(Days(date).time_since_epoch().count());
  if (__builtin_mul_overflow(days, kDay, &moment))
    moment = days < 0 ? std::numeric_limits<std::int64_t>::min()
                      : std::numeric_limits<std::int64_t>::max();
  return UtcTime(moment);
}

std::string format_utc(UtcTime moment) {
  const ClockTime t = split(moment);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.day.year, t.day.month,
                     t.day.day, t.hour, t.minute, t.second, t.nanos);
}

std::string format_utc_millis(UtcTime moment) {
  const ClockTime t = split(moment);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.day.year, t.day.month,
                     t.day.day, t.hour, t.minute, t.second, t.nanos / 1'000'000);
}

std::string format_utc_filename(UtcTime moment) {
  const ClockTime t = split(moment);
  return fmt::format("{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}Z", t.day.year, t.day.month,
                     t.day.day, t.hour, t.minute, t.second, t.nanos / 1'000'000);
}

std::optional<UtcTime> parse_moment(std::string_view text, UtcTime now) {
  if (text == "now") return now;
  if (const auto ago = parse_ago(text, now)) return ago;
  return parse_calendar(text);
}

}  // namespace epochfs::engine
