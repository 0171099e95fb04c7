#include "engine/capture/recovery.h"

#include <fmt/format.h>

#include "engine/capture/spool.h"
#include "engine/formats/sqlite/rollback_journal.h"
#include "engine/formats/sqlite/wal.h"
#include "engine/storage/temporary_directory.h"

namespace epochfs::engine {
namespace {

struct SideFiles {
  std::optional<FileStamp> journal;
  std::optional<FileStamp> log;
  friend bool operator==(const SideFiles&, const SideFiles&) = default;
};

Result<SideFiles> side_files_of(const std::string& path) {
  SideFiles files;
  TRY_ASSIGN(files.journal, stamp_if_there(path + "-journal"));
  TRY_ASSIGN(files.log, stamp_if_there(path + "-wal"));
  return files;
}

// Of a side file that was there a moment ago: with it the state has changed.
template <class T>
Result<T> if_still_there(Result<T> result, const std::string& path) {
  if (result || result.error().code != Code::kNotFound) return result;
  return Error::busy(fmt::format("{}: went away while it was looked at; try again", path));
}

Result<bool> is_hot(const std::string& journal_path, const std::optional<FileStamp>& stamp) {
  if (!stamp || stamp->size_bytes == 0) return false;
  TRY_ASSIGN(const auto journal,
             if_still_there(DescriptorSource::open(journal_path), journal_path));
  std::array<std::byte, sqlite::kJournalHeaderSize> raw;
  TRY(journal->read_at(0, raw));
  return sqlite::parse_journal_header(raw).has_value();
}

Result<void> copy_side_file(const std::optional<FileStamp>& stamp, const std::string& from,
                            const std::string& to) {
  if (!stamp || stamp->size_bytes == 0) return {};
  TRY_ASSIGN(const auto source, if_still_there(DescriptorSource::open(from), from));
  return copy_bytes(*source, stamp->size_bytes, to);
}

// Brings the whole state into the file and fills in what it is.
Result<void> recover_copy(const std::string& copy, StillDatabase& database) {
  TRY_ASSIGN(Connection connection, Connection::open(copy, Access::kReadWrite, 0));
  TRY_ASSIGN(const Pin pin, connection.pin());
  if (pin != Pin::kTaken)
    return Error::corrupt(
        fmt::format("{}: SQLite cannot recover it; repair it first (sqlite3 FILE "
                    ".recover)",
                    database.path));
  TRY(describe(connection, database));
  connection.unpin();
  if (database.journal_mode != "wal") return {};
  TRY_ASSIGN(const std::string busy, connection.text("PRAGMA wal_checkpoint(TRUNCATE)"));
  if (busy != "0") return Error::io(fmt::format("{}: its copy could not be recovered", copy));
  return {};
}

Result<StillDatabase> recovered_copy(const std::string& path, const FileStamp& stamp,
                                     const SideFiles& files, const SnapshotOptions& options) {
  const std::string name = "database";
  TRY_ASSIGN(const TemporaryDirectory directory,
             TemporaryDirectory::create(options.temp_directory));
  const std::string copy = directory.file(name);
  {
    // Through SQLite's handle, see the lock rule in connection.h; nothing but bytes is read.
    TRY_ASSIGN(Connection raw, Connection::open(path, Access::kImmutable, 0));
    TRY_ASSIGN(const auto file, raw.database_file());
    TRY(copy_bytes(*file, stamp.size_bytes, copy));
  }
  TRY(copy_side_file(files.journal, path + "-journal", copy + "-journal"));
  TRY(copy_side_file(files.log, path + "-wal", copy + "-wal"));
  TRY_ASSIGN(const FileStamp stamp_after, stamp_of(path));
  TRY_ASSIGN(const SideFiles files_after, side_files_of(path));
  if (stamp_after != stamp || files_after != files)
    return Error::busy(fmt::format("{}: changed while it was copied; try again", path));
  StillDatabase database;
  database.stillness = Stillness::kOwned;
  database.path = path;
  database.stamp = stamp;
  TRY(recover_copy(copy, database));
  TRY_ASSIGN(database.file, DescriptorSource::open(copy));
  return database;
}

}  // namespace

Result<StillDatabase> open_without_writing(const std::string& path,
                                           const SnapshotOptions& options) {
  TRY_ASSIGN(const FileStamp stamp, wait_until_settled(path));
  TRY_ASSIGN(const SideFiles files, side_files_of(path));
  for (const auto& side : {path + "-journal", path + "-wal"}) {
    TRY_ASSIGN(const auto there, stamp_if_there(side));
    if (there) TRY(if_still_there(wait_until_settled(side), side));
  }
  TRY_ASSIGN(const bool hot, is_hot(path + "-journal", files.journal));
  const bool has_log = files.log && files.log->size_bytes > sqlite::kWalHeaderSize;
  if (hot || has_log) return recovered_copy(path, stamp, files, options);
  StillDatabase database;
  database.stillness = Stillness::kTrusted;
  database.path = path;
  database.stamp = stamp;
  TRY_ASSIGN(database.connection, Connection::open(path, Access::kImmutable, 0));
  TRY_ASSIGN(const Pin pin, database.connection->pin());
  if (pin != Pin::kTaken) return Error::io(fmt::format("{}: cannot be opened for reading", path));
  TRY(describe(*database.connection, database));
  TRY_ASSIGN(database.file, database.connection->database_file());
  return database;
}

}  // namespace epochfs::engine
