// The names that epochs go by in the tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/formats/native/segment_layout.h"

namespace epochfs::fs {

std::string epoch_name(engine::Epoch epoch);                       // 0000000412
std::string recent_name(const engine::native::EpochFacts& facts);  // 0000000412_2026-11-20T12-…
// 12-00-03.120Z_0000000412
std::string time_of_day_name(const engine::native::EpochFacts& facts);

struct EpochName {
  engine::Epoch epoch;
  bool padded = true;  // as it is listed; otherwise the plain number, 412
};
// nullopt: neither of the two spellings. Says nothing about whether the epoch exists.
std::optional<EpochName> parse_epoch_name(std::string_view name);

// The epoch that a name of the other two kinds is about; the caller compares the whole name.
std::optional<engine::Epoch> epoch_in_recent_name(std::string_view name);
std::optional<engine::Epoch> epoch_in_time_of_day_name(std::string_view name);

// Exactly `width` digits.
std::optional<unsigned> parse_digits(std::string_view name, std::size_t width);

}  // namespace epochfs::fs
