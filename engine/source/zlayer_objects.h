// Reads one object of ZLayer's replicator, from front to back, for what it proves.
//
// Trust     none: of a log only the frames that its own checksums chain together count
// Memory    what the facts take: 8 bytes per page of a snapshot, 20 per frame of a log
// Errors    those of the storage. Damage is no error but a fact (UselessFacts)
#pragma once

#include <memory>

#include "engine/core/bytes.h"
#include "engine/segment/zstd_stream.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// The object decompressed, as far as it is not absurdly larger than it is stored.
ZstdStream open_zlayer_stream(const std::shared_ptr<const Blob>& blob);

// Encoded facts (formats/zlayer/facts.h).
Result<Bytes> examine_zlayer_snapshot(const std::shared_ptr<const Blob>& blob);
Result<Bytes> examine_zlayer_wal(const std::shared_ptr<const Blob>& blob);

}  // namespace epochfs::engine
