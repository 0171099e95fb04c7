// Frames and records of the v1 log, as far as epochs need them, and how they are written.
//
// Source    README.md, section 5
#pragma once

#include <cstdint>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::size_t kV1LengthSize = 4;
inline constexpr std::size_t kV1ChecksumSize = 4;
// Grafeo states no limit for v1; this is the one of v2.
inline constexpr std::uint32_t kV1PayloadBytesMax = 1U << 30U;

// The first number of a payload. What is below kCommit is data, schema, graph or RDF.
enum class V1Record : std::uint8_t {
  kCommit = 35,      // of everything since the commit or abort before, whoever wrote it
  kAbort = 36,       // drops the same
  kCheckpoint = 37,  // no commit
  kEpochAdvance = 38,
};

// `payload`: one record, at most kV1PayloadBytesMax bytes.
void put_v1_frame(ByteWriter& out, ByteView payload);
void put_v1_commit(ByteWriter& out, TransactionId transaction);
void put_v1_abort(ByteWriter& out, TransactionId transaction);
void put_v1_epoch(ByteWriter& out, Epoch epoch);

}  // namespace epochfs::engine::grafeo
