#include "engine/capture/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/capture/connection.h"
#include "engine/capture/file_snapshot.h"
#include "engine/capture/recovery.h"
#include "engine/capture/source_path.h"
#include "engine/capture/still_snapshot.h"
#include "engine/capture/wal_snapshot.h"
#include "engine/formats/sqlite/database_header.h"

namespace epochfs::engine {
namespace {

Result<Bytes> first_bytes(Connection& connection, std::size_t count) {
  TRY_ASSIGN(const auto file, connection.database_file());
  TRY_ASSIGN(const std::uint64_t size, file->size());
  Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, count)));
  TRY(file->read_at(0, bytes));
  return bytes;
}

// In WAL mode every reader needs the two side files, and SQLite would make them: as files of ours
// that the database's owner may not write, or not at all.
Result<bool> may_connect(Connection& connection) {
  const std::string& path = connection.path();
  TRY_ASSIGN(const Bytes start, first_bytes(connection, sqlite::kDatabaseHeaderSize));
  // SQLite removes the log of a database that has no page, also for somebody who only reads.
  if (start.empty()) return !exists(path + "-wal");
  // Locks keep nobody from anything there, so nothing is won by a copy that is made under one.
  if (is_in_read_only_fuse(path)) return false;
  const auto header = sqlite::parse_database_header(start);
  if (!header || !header->wal_mode) return true;
  return (exists(path + "-wal") && exists(path + "-shm")) ||
         (may_write(path) && may_write(directory_of(path)));
}

Result<std::unique_ptr<Snapshot>> open_recovered(const std::string& path,
                                                 const SnapshotOptions& options) {
  TRY_ASSIGN(StillDatabase database, open_without_writing(path, options));
  return open_still_snapshot(std::move(database), options);
}

Result<std::unique_ptr<Snapshot>> open_sqlite(const std::string& path,
                                              const SnapshotOptions& options) {
  const bool had_log = exists(path + "-wal");
  TRY_ASSIGN(Connection connection, Connection::open(path, Access::kLive, options.busy_timeout_ms));
  TRY_ASSIGN(const bool connectable, may_connect(connection));
  if (!connectable) return open_recovered(path, options);
  TRY_ASSIGN(const Pin pin, connection.pin());
  if (pin == Pin::kNeedsRecovery) return open_recovered(path, options);
  StillDatabase database;
  database.path = path;
  TRY(describe(connection, database));
  if (database.journal_mode == "wal") {
    auto snapshot = open_wal_snapshot(std::move(connection), !had_log, options);
    if (snapshot || snapshot.error().code != Code::kUnsupported) return snapshot;
    return open_recovered(path, options);
  }
  TRY_ASSIGN(database.stamp, stamp_of(path));
  TRY_ASSIGN(database.file, connection.database_file());
  database.connection = std::move(connection);
  return open_still_snapshot(std::move(database), options);
}

Result<std::unique_ptr<Snapshot>> open_once(const SnapshotOptions& options) {
  TRY_ASSIGN(const std::string path, resolve(options.path));
  TRY(stamp_of(path));
  std::optional<native::Engine> engine = options.engine;
  if (!engine) {
    TRY_ASSIGN(engine, detect_engine(path));
  }
  return *engine == native::Engine::kSqlite ? open_sqlite(path, options)
                                            : open_file_snapshot(path, options);
}

}  // namespace

Result<native::Engine> detect_engine(const std::string& path) {
  TRY_ASSIGN(const std::string resolved, resolve(path));
  TRY(stamp_of(resolved));
  // No descriptor of our own, see connection.h: somebody in this process may have it open.
  TRY_ASSIGN(Connection connection, Connection::open(resolved, Access::kImmutable, 0));
  TRY_ASSIGN(const Bytes start, first_bytes(connection, sqlite::kDatabaseMagicSize));
  const bool is_sqlite = start.empty() || sqlite::has_database_magic(start);
  return is_sqlite ? native::Engine::kSqlite : native::Engine::kFile;
}

Result<std::unique_ptr<Snapshot>> open_snapshot(const SnapshotOptions& options) {
  const auto waited =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(options.busy_timeout_ms);
  for (int attempt = 1;; ++attempt) {
    auto snapshot = open_once(options);
    const bool changed = !snapshot && snapshot.error().code == Code::kBusy &&
                         std::chrono::steady_clock::now() < waited;
    if (!changed || attempt == kSnapshotAttempts) return snapshot;
  }
}

}  // namespace epochfs::engine
