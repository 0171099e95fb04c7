#include "engine/formats/grafeo/v2_frames.h"

#include <algorithm>

#include "engine/formats/grafeo/bincode.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr std::uint8_t kRequiredRecord = 1;
// What Grafeo writes there; nobody reads it.
constexpr TransactionId kBarrierTransaction(1);

}  // namespace

Result<V2GroupBegin> parse_v2_group_begin(ByteView record) {
  ByteCursor in(record);
  V2GroupBegin begin;
  TRY_ASSIGN(begin.epoch, take_number(in).map(as<Epoch>));
  TRY_ASSIGN(begin.time, take_number(in).map(as<UnixMillis>));
  TRY_ASSIGN(begin.origin, take_number(in).map(as<V2Origin>));
  TRY(in.expect_end());
  return begin;
}

Crc32 begin_v2_frame_crc(std::span<const std::byte, kV2FrameHeaderSize> header) noexcept {
  using namespace v2_frame_layout;
  Crc32 crc;
  crc.update(header.first<kChecksum.offset>());
  crc.update(header.subspan<kChecksum.end>());
  return crc;
}

void put_v2_frame(ByteWriter& out, const V2FrameHeader& header, ByteView payload) {
  using namespace v2_frame_layout;
  std::array<std::byte, kV2FrameHeaderSize> raw{};
  const std::span record(raw);
  store(record, kPayloadBytes, static_cast<std::uint32_t>(payload.size()));
  store(record, kLsn, header.lsn.get());
  store(record, kTransaction, header.transaction.get());
  store(record, kFlags, header.flags);
  Crc32 crc = begin_v2_frame_crc(raw);
  crc.update(payload);
  store(record, kChecksum, crc.value());
  out.put(raw);
  out.put(payload);
}

void put_v2_group_start(ByteWriter& payload, Lsn synced_lsn, const V2GroupBegin& begin) {
  ByteWriter record;
  put_number(record, begin.epoch.get());
  put_number(record, begin.time.get());
  put_number(record, static_cast<std::uint64_t>(begin.origin));
  payload.put_le(synced_lsn.get());
  put_v2_record(payload, kV2GroupBeginKind, record.view());
}

void put_v2_record(ByteWriter& payload, std::uint8_t kind, ByteView content) {
  payload.put_le(kind);
  payload.put_le(kRequiredRecord);
  payload.put_le(static_cast<std::uint32_t>(content.size()));
  payload.put(content);
}

std::array<std::byte, kV2BarrierSize> encode_v2_barrier(Lsn lsn) {
  ByteWriter synced_lsn;
  synced_lsn.put_le(lsn.get());
  ByteWriter frame;
  put_v2_frame(frame, {lsn, kBarrierTransaction, kV2First | kV2Last}, synced_lsn.view());
  std::array<std::byte, kV2BarrierSize> barrier{};
  std::ranges::copy(frame.view(), barrier.begin());
  return barrier;
}

}  // namespace epochfs::engine::grafeo
