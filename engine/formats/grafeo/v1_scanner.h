// Finds the epochs of a v1 log in one pass over its bytes.
//
// Source    frames of one incremental (behind its header) or of one or more log files, in pieces of
//           any size; the answer does not depend on where they are cut
// Trust     none. Every frame's CRC is checked, and the shape of the records that are not data
// Cost      constant memory: payloads are summed as they pass, and not kept
// Errors    none: damage is part of the answer. What was found before it is sound, what follows it
//           is not looked at
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/gather.h"
#include "engine/formats/grafeo/log_damage.h"
#include "engine/formats/grafeo/v1_frames.h"

namespace epochfs::engine::grafeo {

// What lies between two EpochAdvance frames, or between one and an end of the log. A commit may lie
// in the file before the one that names its epoch: add the tail of the one to the first of the
// other.
struct V1Counts {
  std::uint64_t commits = 0;
  std::uint64_t aborts = 0;
  std::uint64_t data_records = 0;
  friend bool operator==(const V1Counts&, const V1Counts&) = default;
};

struct V1EpochAdvance {
  Epoch epoch;            // as written: it may repeat, and run backwards
  std::uint64_t end = 0;  // where its frame ends, in the bytes that were pushed: a cut for it
  V1Counts before;        // since the EpochAdvance before
  friend bool operator==(const V1EpochAdvance&, const V1EpochAdvance&) = default;
};

struct V1LogEnd {
  std::uint64_t end = 0;  // of the last sound frame
  V1Counts tail;          // since the last EpochAdvance: no epoch holds it
  std::optional<LogDamage> damage;
  friend bool operator==(const V1LogEnd&, const V1LogEnd&) = default;
};

class V1Scanner {
 public:
  // Appends the epochs whose frames end in `bytes` to `found`.
  void push(ByteView bytes, std::vector<V1EpochAdvance>& found);
  // After the last byte of the log.
  [[nodiscard]] V1LogEnd finish() const;

 private:
  enum class Part { kLength, kPayload, kChecksum };
  // Variant and number: all of a payload that is ever looked at.
  static constexpr std::size_t kControlBytesMax = 1 + kBincodeNumberBytesMax;

  std::size_t take(ByteView bytes, std::vector<V1EpochAdvance>& found);
  void begin_payload();
  void take_payload(ByteView bytes);
  void end_frame(std::vector<V1EpochAdvance>& found);
  Result<void> check_frame(std::vector<V1EpochAdvance>& found);
  Result<void> count_control(V1Record kind, std::vector<V1EpochAdvance>& found);

  Part part_ = Part::kLength;
  std::uint64_t position_ = 0;     // bytes that were pushed
  std::uint64_t frame_begin_ = 0;  // behind the last sound frame
  Gather<kV1LengthSize> length_;
  Gather<kControlBytesMax> payload_start_;
  Gather<kV1ChecksumSize> checksum_;
  std::uint32_t payload_bytes_ = 0;
  std::uint32_t payload_left_ = 0;
  Crc32 crc_;
  V1Counts counts_;
  DamageWatch damage_;
};

}  // namespace epochfs::engine::grafeo
