#include "engine/formats/zlayer/object_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/core/time.h"

namespace epochfs::engine::zlayer {
namespace {

constexpr std::string_view kSnapshotSuffix = ".sqlite.zst";
constexpr std::string_view kWalSuffix = ".wal.zst";
constexpr std::string_view kTimePattern = "YYYYMMDD_HHMMSS";
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

std::optional<std::uint64_t> digits(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<UtcTime> snapshot_time(std::string_view name) {
  if (!name.ends_with(kSnapshotSuffix)) return std::nullopt;
  name.remove_suffix(kSnapshotSuffix.size());
  if (name.size() != kTimePattern.size() || name[8] != '_') return std::nullopt;
  const auto date = digits(name.substr(0, 8));
  const auto clock = digits(name.substr(9));
  if (!date || !clock) return std::nullopt;
  const CalendarDay day{static_cast<int>(*date / 10000), static_cast<unsigned>(*date / 100 % 100),
                        static_cast<unsigned>(*date % 100)};
  const std::uint64_t hour = *clock / 10000;
  const std::uint64_t minute = *clock / 100 % 100;
  const std::uint64_t second = *clock % 100;
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  // Whole years that nanoseconds in 64 bits can tell.
  constexpr int kFirstYear = 1678;
  constexpr int kLastYear = 2261;
  if (day.year < kFirstYear || day.year > kLastYear) return std::nullopt;
  if (day.month < 1 || day.month > 12 || day.day < 1 || utc_day(start_of(day)) != day)
    return std::nullopt;
  const auto seconds = static_cast<std::int64_t>((hour * 60 + minute) * 60 + second);
  return UtcTime(start_of(day).get() + seconds * kNanosPerSecond);
}

std::optional<std::uint64_t> wal_sequence(std::string_view name) {
  if (!name.ends_with(kWalSuffix)) return std::nullopt;
  name.remove_suffix(kWalSuffix.size());
  return digits(name);
}

std::string snapshot_object(UtcTime taken) {
  // 2026-01-10T00:05:12Z without its marks
  std::string name = format_utc(taken).substr(0, 19);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  std::ranges::replace(name, 'T', '_');
  return fmt::format("{}/{}{}", kSnapshotDirectory, name, kSnapshotSuffix);
}

std::string wal_object(std::uint64_t sequence) {
  return fmt::format("{}/{:020}{}", kWalDirectory, sequence, kWalSuffix);
}

}  // namespace epochfs::engine::zlayer
