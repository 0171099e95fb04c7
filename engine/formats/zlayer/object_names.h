// How ZLayer's replicator names its objects below the prefix of a database.
//
// Source    README.md of this directory
// Trust     none: a name that is not exactly one of these is none of the replicator's
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/units.h"

namespace epochfs::engine::zlayer {

inline constexpr std::string_view kSnapshotDirectory = "snapshots";
inline constexpr std::string_view kWalDirectory = "wal";

// "20260110_000512.sqlite.zst": when the snapshot was taken, to the second.
std::optional<UtcTime> snapshot_time(std::string_view name);
// "00000000000000000012.wal.zst" is 12. The replicator's numbers order nothing: they count frames,
// and start anew with every generation of the log. Ours only grow.
std::optional<std::uint64_t> wal_sequence(std::string_view name);

// The same the other way round, as names below the prefix: "snapshots/….sqlite.zst", to the second
// before `taken`, and "wal/….wal.zst".
std::string snapshot_object(UtcTime taken);
std::string wal_object(std::uint64_t sequence);

}  // namespace epochfs::engine::zlayer
