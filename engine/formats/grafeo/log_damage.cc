#include "engine/formats/grafeo/log_damage.h"

#include <algorithm>
#include <utility>

namespace epochfs::engine::grafeo {

void DamageWatch::record(std::uint64_t offset, std::uint64_t frame_end, bool may_be_padding,
                         std::string reason) {
  damage_ = LogDamage{offset, std::move(reason), false};
  frame_end_ = frame_end;
  rest_is_zero_ = may_be_padding;
}

void DamageWatch::watch(ByteView bytes) noexcept {
  rest_is_zero_ =
      rest_is_zero_ && std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

std::optional<LogDamage> DamageWatch::at_end(std::uint64_t log_bytes) const {
  std::optional<LogDamage> damage = damage_;
  if (damage) damage->is_tail = rest_is_zero_ || frame_end_ >= log_bytes;
  return damage;
}

}  // namespace epochfs::engine::grafeo
