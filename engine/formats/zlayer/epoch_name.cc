#include "engine/formats/zlayer/epoch_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/time.h"

namespace epochfs::engine::zlayer {
namespace {

constexpr std::size_t kLineageDigits = 8;
constexpr std::size_t kSnapshotNameSize = 16;

}  // namespace

std::string epoch_name(const native::EpochFacts& facts) {
  const native::SourcePosition& at = facts.position;
  if (at.frame != 0)
    return fmt::format("{:08x}-{}-{}", at.salt1 - at.checkpoint_sequence, at.checkpoint_sequence,
                       at.frame);
  // 2026-01-10T00:05:12Z without its marks
  std::string name = "s";
  for (const char c : format_utc(facts.captured).substr(0, 19)) {
    if (c == 'T') name += '_';
    if (c >= '0' && c <= '9') name += c;
  }
  return name;
}

bool is_epoch_name(std::string_view text) noexcept {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() == kSnapshotNameSize && text.front() == 's') return true;
  return text.size() > kLineageDigits && text[kLineageDigits] == '-' &&
         std::ranges::all_of(text.substr(0, kLineageDigits), is_hex) &&
         std::ranges::count(text, '-') == 2;
}

}  // namespace epochfs::engine::zlayer
