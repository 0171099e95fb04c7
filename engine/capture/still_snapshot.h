// A database whose whole state is in its file: in a rollback-journal mode, on a read-only medium,
// or a private copy of one that had to be recovered.
#pragma once

#include "engine/capture/byte_source.h"
#include "engine/capture/connection.h"
#include "engine/capture/file_stamp.h"
#include "engine/capture/snapshot.h"

namespace epochfs::engine {

enum class Stillness {
  kLocked,   // writers wait for us: spool what is needed, let them go, then feed the consumer
  kTrusted,  // nobody should write; its stamp shows whether somebody did
  kOwned,    // a copy that nobody else knows
};

struct StillDatabase {
  std::optional<Connection> connection;  // pinned; none for a copy
  std::unique_ptr<ByteSource> file;      // declared after the connection that may own it
  Stillness stillness = Stillness::kLocked;
  std::string path;  // of the database itself, also for a copy
  FileStamp stamp;   // likewise
  std::string journal_mode;
  PageSize page_size;
  std::uint32_t page_count = 0;
};

Result<std::unique_ptr<Snapshot>> open_still_snapshot(StillDatabase database,
                                                      const SnapshotOptions& options);
// Page size, page count and journal mode as a pinned connection sees them.
Result<void> describe(Connection& connection, StillDatabase& database);

}  // namespace epochfs::engine
