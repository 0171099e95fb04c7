#include "engine/formats/grafeo/v1_frames.h"

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"

namespace epochfs::engine::grafeo {
namespace {

void put_v1_control(ByteWriter& out, V1Record kind, std::uint64_t number) {
  ByteWriter payload;
  put_number(payload, static_cast<std::uint64_t>(kind));
  put_number(payload, number);
  put_v1_frame(out, payload.view());
}

}  // namespace

void put_v1_frame(ByteWriter& out, ByteView payload) {
  Crc32 crc;
  crc.update(payload);
  out.put_le(static_cast<std::uint32_t>(payload.size()));
  out.put(payload);
  out.put_le(crc.value());
}

void put_v1_commit(ByteWriter& out, TransactionId transaction) {
  put_v1_control(out, V1Record::kCommit, transaction.get());
}

void put_v1_abort(ByteWriter& out, TransactionId transaction) {
  put_v1_control(out, V1Record::kAbort, transaction.get());
}

void put_v1_epoch(ByteWriter& out, Epoch epoch) {
  put_v1_control(out, V1Record::kEpochAdvance, epoch.get());
}

}  // namespace epochfs::engine::grafeo
