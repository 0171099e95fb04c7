// Finds the groups of a segment of the v2 log in one pass over its bytes.
//
// Source    the frames of one segment, behind its header, in pieces of any size; the answer does
//           not depend on where they are cut
// Trust     none. Checked are every frame's CRC, place, flags and transaction, and that records
//           fill the payloads exactly; of what a record says, GroupBegin alone is looked at
// Cost      constant memory: payloads are summed as they pass, and not kept
// Errors    none: damage is part of the answer. What was found before it is sound, what follows it
//           is not looked at
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/gather.h"
#include "engine/formats/grafeo/log_damage.h"
#include "engine/formats/grafeo/v2_frames.h"

namespace epochfs::engine::grafeo {

// A whole group: one committed transaction, or an empty group.
struct V2Group {
  Lsn begin;
  Lsn end;                            // where the next one begins: a cut behind this one
  Lsn synced_lsn;                     // all before it was known to be on disk; at most `begin`
  std::optional<V2GroupBegin> start;  // nullopt: an empty group, which belongs to no epoch
  std::uint64_t record_count = 0;     // without the GroupBegin
  friend bool operator==(const V2Group&, const V2Group&) = default;
};

struct V2LogEnd {
  Lsn end;  // of the last whole group
  // Bytes that end within a group are damage too, at the frame that is cut or missing.
  std::optional<LogDamage> damage;
  friend bool operator==(const V2LogEnd&, const V2LogEnd&) = default;
};

class V2Scanner {
 public:
  // `first_lsn`: of the first byte that will be pushed.
  explicit V2Scanner(Lsn first_lsn) noexcept : first_lsn_(first_lsn) {}

  // Appends the groups that end in `bytes` to `found`.
  void push(ByteView bytes, std::vector<V2Group>& found);
  // After the last byte of the segment.
  [[nodiscard]] V2LogEnd finish() const;

 private:
  // Counts the records of a group, and sees whether they end where their frames do.
  class RecordWalk {
   public:
    void begin_frame(bool is_first) noexcept;
    void walk(ByteView payload) noexcept;
    [[nodiscard]] bool is_between_records() const noexcept;
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

   private:
    void begin_record() noexcept;

    Gather<kV2RecordHeaderSize> header_;
    std::uint64_t skip_ = 0;  // bytes before the next header
    std::uint64_t count_ = 0;
  };
  // Synced LSN, record header and three numbers: all of a payload that is ever looked at.
  static constexpr std::size_t kGroupStartBytesMax =
      kV2SyncedLsnSize + kV2RecordHeaderSize + 3 * kBincodeNumberBytesMax;

  std::size_t take(ByteView bytes);
  void begin_frame();
  void take_payload(ByteView bytes);
  void end_frame(std::vector<V2Group>& found);
  [[nodiscard]] Result<void> check_header() const;
  Result<void> check_frame();
  Result<void> begin_group();
  [[nodiscard]] bool has_flag(std::uint8_t flag) const noexcept;
  [[nodiscard]] Lsn lsn_at(std::uint64_t position) const noexcept;

  Lsn first_lsn_;
  std::uint64_t position_ = 0;     // bytes that were pushed
  std::uint64_t frame_begin_ = 0;  // behind the last sound frame
  std::uint64_t group_end_ = 0;    // behind the last whole group
  Gather<kV2FrameHeaderSize> header_;
  Gather<kGroupStartBytesMax> payload_start_;  // of a first frame
  std::uint32_t payload_left_ = 0;
  Crc32 crc_;
  RecordWalk records_;
  bool in_group_ = false;
  TransactionId transaction_;
  V2Group group_;
  DamageWatch damage_;
};

}  // namespace epochfs::engine::grafeo
