// Our connection to somebody's database: reads, pins, and never writes.
//
// Threads   one
// Locks     POSIX locks belong to the process, and closing any descriptor of a file drops them; so
//           database and wal-index are only touched through the handles that SQLite opened
// Errors    see sqlite_failure
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>

#include "engine/capture/byte_source.h"
#include "engine/core/handle.h"

namespace epochfs::engine {

enum class Access {
  kLive,       // as a reader among others; leaves the log alone when it closes
  kImmutable,  // no locks, no log, no journal: nobody may write meanwhile
  kReadWrite,  // only for a private copy, and to clear away an empty log that we made
};

// A file that SQLite has open. Valid as long as its connection.
class SqliteFileSource final : public ByteSource {
 public:
  SqliteFileSource(sqlite3_file* file, std::string name) : file_(file), name_(std::move(name)) {}
  Result<std::uint64_t> size() override;

 private:
  Result<void> do_read_at(std::uint64_t offset, MutableByteView out) override;

  sqlite3_file* file_;
  std::string name_;
};

enum class Pin {
  kTaken,
  kNeedsRecovery,  // the state beside us can only be read by somebody who may write
};

class Connection {
 public:
  static Result<Connection> open(const std::string& path, Access access, int busy_timeout_ms);

  // Begins a read transaction and makes it take its lock: a deferred BEGIN alone takes none.
  // kNeedsRecovery is what it comes to after several tries.
  Result<Pin> pin();
  void unpin() noexcept;
  Result<void> run(const char* sql);
  Result<std::string> text(const char* sql);  // first column of the first row, empty: none
  Result<std::uint64_t> number(const char* sql);
  // With this the close may clear an empty log and its index away, if nobody else is connected.
  void let_close_clean_up() noexcept;

  Result<std::unique_ptr<ByteSource>> database_file();
  Result<std::unique_ptr<ByteSource>> log_file();  // after a pin in WAL mode
  Result<sqlite3_file*> raw_database_file();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // The file is no longer what its path names.
  [[nodiscard]] bool moved() noexcept;

 private:
  Connection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  Result<Pin> try_to_pin();
  Result<sqlite3_file*> file(int operation);
  [[nodiscard]] Failure failure(int code);

  std::unique_ptr<sqlite3, ClosedBy<sqlite3_close>> handle_;
  std::string path_;
};

}  // namespace epochfs::engine
