#include "engine/capture/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <thread>

namespace epochfs::engine {
namespace {

using Statement = std::unique_ptr<sqlite3_stmt, ClosedBy<sqlite3_finalize>>;

// A reader that may not write takes the journal of a writer that begins at this very moment for one
// that was left behind, and SQLite does not look twice. What was left behind stays.
constexpr int kPinTries = 5;
constexpr auto kPinPause = std::chrono::milliseconds(2);
constexpr std::size_t kReadBytesMax = 1024 * 1024 * 1024;  // xRead takes an int

std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char letter : path) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '/' || letter == '.' || letter == '_')
      uri += letter;
    else
      uri += fmt::format("%{:02X}", byte);
  }
  return uri + "?immutable=1";
}

// Something must be written first: a hot journal rolled back, a log recovered, an index made.
bool needs_recovery(int code) noexcept {
  return (code & 0xff) == SQLITE_READONLY || (code & 0xff) == SQLITE_CANTOPEN;
}

}  // namespace

Result<std::uint64_t> SqliteFileSource::size() {
  sqlite3_int64 size = 0;
  if (const int code = file_->pMethods->xFileSize(file_, &size); code != SQLITE_OK)
    return Error::io(fmt::format("{}: {}", name_, sqlite3_errstr(code)));
  return static_cast<std::uint64_t>(size);
}

Result<void> SqliteFileSource::do_read_at(std::uint64_t offset, MutableByteView out) {
  while (!out.empty()) {
    const MutableByteView piece = out.first(std::min(out.size(), kReadBytesMax));
    const int code = file_->pMethods->xRead(file_, piece.data(), static_cast<int>(piece.size()),
                                            static_cast<sqlite3_int64>(offset));
    // A short read has filled the rest with zeros.
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
      return Error::io(fmt::format("{}: {} at byte {}", name_, sqlite3_errstr(code), offset));
    out = out.subspan(piece.size());
    offset += piece.size();
  }
  return {};
}

Result<Connection> Connection::open(const std::string& path, Access access, int busy_timeout_ms) {
  const std::string name = access == Access::kImmutable ? immutable_uri(path) : path;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (access == Access::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                    (access == Access::kImmutable ? SQLITE_OPEN_URI : 0);
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  Connection connection(handle, path);  // there is one to close even after a failure
  if (code != SQLITE_OK) return connection.failure(code);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // A schema that this SQLite does not understand (a newer one wrote it) is no damage: only pages
  // are read here. Said before the connection is made defensive, which would not hear it.
  if (access == Access::kLive) TRY(connection.run("PRAGMA writable_schema = 1"));
  // A hostile schema cannot make reading it run anything.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (access != Access::kReadWrite) TRY(connection.run("PRAGMA query_only = 1"));
  TRY(connection.run("PRAGMA mmap_size = 0"));  // a truncated file would be a SIGBUS
  return connection;
}

Result<Pin> Connection::pin() {
  for (int tries = 1;; ++tries) {
    TRY_ASSIGN(const Pin pin, try_to_pin());
    if (pin == Pin::kTaken || tries == kPinTries) return pin;
    std::this_thread::sleep_for(kPinPause);
  }
}

Result<Pin> Connection::try_to_pin() {
  TRY(run("BEGIN"));
  const int code =
      sqlite3_exec(handle_.get(), "SELECT 1 FROM sqlite_schema LIMIT 1", nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return Pin::kTaken;
  const Failure why = failure(code);
  unpin();
  if (needs_recovery(code)) return Pin::kNeedsRecovery;
  return why;
}

void Connection::unpin() noexcept {
  sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Connection::run(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Result<std::string> Connection::text(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int prepared = sqlite3_prepare_v2(handle_.get(), sql, -1, &raw, nullptr);
  const Statement statement(raw);
  if (prepared != SQLITE_OK) return failure(prepared);
  const int code = sqlite3_step(raw);
  if (code == SQLITE_DONE) return std::string();
  if (code != SQLITE_ROW) return failure(code);
  const void* value = sqlite3_column_blob(raw, 0);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(raw, 0));
  return std::string(static_cast<const char*>(value), size);
}

Result<std::uint64_t> Connection::number(const char* sql) {
  TRY_ASSIGN(const std::string digits, text(sql));
  std::uint64_t value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9')
      return Error::corrupt(fmt::format("{}: {} says {}", path_, sql, digits));
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

void Connection::let_close_clean_up() noexcept {
  sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

Result<sqlite3_file*> Connection::file(int operation) {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(handle_.get(), "main", operation, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr)
    return Error::io(fmt::format("{}: SQLite has the file not open", path_));
  return file;
}

Result<sqlite3_file*> Connection::raw_database_file() { return file(SQLITE_FCNTL_FILE_POINTER); }

Result<std::unique_ptr<ByteSource>> Connection::database_file() {
  TRY_ASSIGN(sqlite3_file* const opened, file(SQLITE_FCNTL_FILE_POINTER));
  return std::make_unique<SqliteFileSource>(opened, path_);
}

Result<std::unique_ptr<ByteSource>> Connection::log_file() {
  TRY_ASSIGN(sqlite3_file* const opened, file(SQLITE_FCNTL_JOURNAL_POINTER));
  return std::make_unique<SqliteFileSource>(opened, path_ + "-wal");
}

bool Connection::moved() noexcept {
  int moved = 0;
  const int code = sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

Failure Connection::failure(int code) {
  const char* const said =
      handle_ != nullptr ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error::busy(fmt::format(
          "{}: locked by a program that uses it; try again when it is done, or close it if it "
          "holds the database in exclusive locking mode",
          path_));
    case SQLITE_NOTADB:
      return Error::unsupported(
          fmt::format("{}: not a SQLite database, or an encrypted one; back it up with engine "
                      "`file`, byte for byte",
                      path_));
    case SQLITE_CORRUPT:
      return Error::corrupt(fmt::format(
          "{}: damaged: {}; repair it (sqlite3 FILE .recover), or back it up with engine `file`",
          path_, said));
    case SQLITE_FULL:
      return Error::no_space(fmt::format("{}: {}", path_, said));
    default:
      break;
  }
  const int system = handle_ != nullptr ? sqlite3_system_errno(handle_.get()) : 0;
  if (system != 0) return Error::from_errno(system, fmt::format("{}: {}", path_, said));
  return Error::io(fmt::format("{}: {}", path_, said));
}

}  // namespace epochfs::engine
