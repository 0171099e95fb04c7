#include "fs/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/core/time.h"

namespace epochfs::fs {
namespace {

constexpr std::size_t kEpochDigits = 10;

template <class Number>
std::optional<Number> parse_number(std::string_view digits) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  Number number = 0;
  const char* const end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, number).ec != std::errc()) return std::nullopt;
  return number;
}

std::optional<engine::Epoch> parse_padded(std::string_view name) {
  const auto parsed = parse_epoch_name(name);
  if (!parsed || !parsed->padded) return std::nullopt;
  return parsed->epoch;
}

}  // namespace

std::string epoch_name(engine::Epoch epoch) { return fmt::format("{:010}", epoch.get()); }

std::string recent_name(const engine::native::EpochFacts& facts) {
  return epoch_name(facts.epoch) + "_" + engine::format_utc_filename(facts.committed);
}

std::string time_of_day_name(const engine::native::EpochFacts& facts) {
  const std::string moment = engine::format_utc_filename(facts.committed);
  return moment.substr(moment.find('T') + 1) + "_" + epoch_name(facts.epoch);
}

std::optional<EpochName> parse_epoch_name(std::string_view name) {
  const auto number = parse_number<std::uint64_t>(name);
  if (!number) return std::nullopt;
  if (name.size() != kEpochDigits && name.size() > 1 && name.front() == '0') return std::nullopt;
  return EpochName{engine::Epoch(*number), name.size() >= kEpochDigits};
}

std::optional<engine::Epoch> epoch_in_recent_name(std::string_view name) {
  return parse_padded(name.substr(0, name.find('_')));
}

std::optional<engine::Epoch> epoch_in_time_of_day_name(std::string_view name) {
  const std::size_t underscore = name.find('_');
  if (underscore == std::string_view::npos) return std::nullopt;
  return parse_padded(name.substr(underscore + 1));
}

std::optional<unsigned> parse_digits(std::string_view name, std::size_t width) {
  if (name.size() != width) return std::nullopt;
  return parse_number<unsigned>(name);
}

}  // namespace epochfs::fs
