// Where and why a log stops making sense, as the scanners of both generations tell it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/bytes.h"

namespace epochfs::engine::grafeo {

struct LogDamage {
  std::uint64_t offset = 0;  // of the first bad frame, in the bytes that were pushed
  std::string reason;
  // Nothing follows the bad frame: the bytes end within it or with it, or all that is left is zero.
  // That is what a writer leaves that was interrupted; Grafeo drops it at the end of a log without
  // a word. A length that is damaged so that it points past the end looks the same.
  bool is_tail = false;
  friend bool operator==(const LogDamage&, const LogDamage&) = default;
};

// Keeps the first damage of a log, and watches the bytes behind it for LogDamage::is_tail.
class DamageWatch {
 public:
  // `frame_end`: where the bad frame ends, if that can be told; its own offset if not.
  // `may_be_padding`: its bytes so far are all zero.
  void record(std::uint64_t offset, std::uint64_t frame_end, bool may_be_padding,
              std::string reason);
  // Bytes behind the damage, in order.
  void watch(ByteView bytes) noexcept;

  [[nodiscard]] bool has_damage() const noexcept { return damage_.has_value(); }
  // `log_bytes`: how many there were in all.
  [[nodiscard]] std::optional<LogDamage> at_end(std::uint64_t log_bytes) const;

 private:
  std::optional<LogDamage> damage_;
  std::uint64_t frame_end_ = 0;
  bool rest_is_zero_ = false;
};

}  // namespace epochfs::engine::grafeo
