// Frames, groups and records of the v2 log, as far as epochs need them, and how they are written.
//
// Source    README.md, section 6
#pragma once

#include <array>
#include <cstdint>

#include "engine/core/bytes.h"
#include "engine/core/hash.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::size_t kV2FrameHeaderSize = 25;
inline constexpr std::size_t kV2SyncedLsnSize = 8;
inline constexpr std::size_t kV2RecordHeaderSize = 6;
inline constexpr std::size_t kV2BarrierSize = kV2FrameHeaderSize + kV2SyncedLsnSize;
inline constexpr std::uint32_t kV2PayloadBytesMax = 1U << 30U;

// Flags of a frame; others are refused. A group is a frame with kV2First, frames without either,
// and one with kV2Last, which may be the first.
inline constexpr std::uint8_t kV2First = 1;
inline constexpr std::uint8_t kV2Last = 2;

// Kind of the first record of every group that has records; no other kind matters here.
inline constexpr std::uint8_t kV2GroupBeginKind = 1;

namespace v2_frame_layout {
inline constexpr Field<std::uint32_t, 0> kPayloadBytes;
inline constexpr Field<std::uint32_t, kPayloadBytes.end> kChecksum;
inline constexpr Field<std::uint64_t, kChecksum.end> kLsn;
inline constexpr Field<std::uint64_t, kLsn.end> kTransaction;
inline constexpr Field<std::uint8_t, kTransaction.end> kFlags;
static_assert(kFlags.end == kV2FrameHeaderSize);
}  // namespace v2_frame_layout

namespace v2_record_layout {
inline constexpr Field<std::uint8_t, 0> kKind;
inline constexpr Field<std::uint8_t, kKind.end> kFlags;  // bit 0: whoever does not know it, stops
inline constexpr Field<std::uint32_t, kFlags.end> kBytes;
static_assert(kBytes.end == kV2RecordHeaderSize);
}  // namespace v2_record_layout

enum class V2Origin : std::uint64_t {
  kTransaction = 0,
  kStatement = 1,
  kDirect = 2,
  kSchema = 3,  // of a schema, an index or a graph: takes the current epoch and makes none
  kBulkImport = 4,
};

struct V2GroupBegin {
  Epoch epoch;
  UnixMillis time;
  V2Origin origin = V2Origin::kTransaction;  // may be none of those known here
  friend bool operator==(const V2GroupBegin&, const V2GroupBegin&) = default;
};
// The record's content, all of it. kCorrupt: cut short, or bytes left over.
Result<V2GroupBegin> parse_v2_group_begin(ByteView record);

// A frame's CRC so far: of its header without the field that holds it. The payload is to follow.
Crc32 begin_v2_frame_crc(std::span<const std::byte, kV2FrameHeaderSize> header) noexcept;

struct V2FrameHeader {
  Lsn lsn;
  TransactionId transaction;
  std::uint8_t flags = 0;
};
// `payload`: at most kV2PayloadBytesMax bytes; of a first frame, synced LSN and records.
void put_v2_frame(ByteWriter& out, const V2FrameHeader& header, ByteView payload);
// What a first frame's payload begins with: the synced LSN, and the group's GroupBegin.
void put_v2_group_start(ByteWriter& payload, Lsn synced_lsn, const V2GroupBegin& begin);
void put_v2_record(ByteWriter& payload, std::uint8_t kind, ByteView content);

// An empty group at `lsn` that says: all before me is on disk. With it at the end of a log, damage
// before it is reported by Grafeo instead of dropped as an unfinished write.
std::array<std::byte, kV2BarrierSize> encode_v2_barrier(Lsn lsn);

}  // namespace epochfs::engine::grafeo
