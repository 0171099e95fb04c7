// A live database in WAL mode, pinned by a read transaction.
#pragma once

#include "engine/capture/connection.h"
#include "engine/capture/snapshot.h"

namespace epochfs::engine {

// `connection` is pinned and in WAL mode. `made_log`: there was no log before we connected, so none
// should be left. kBusy: the log was restarted just now, take another pin. kUnsupported: the
// wal-index cannot be mapped.
Result<std::unique_ptr<Snapshot>> open_wal_snapshot(Connection connection, bool made_log,
                                                    const SnapshotOptions& options);

}  // namespace epochfs::engine
