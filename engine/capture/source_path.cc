#include "engine/capture/source_path.h"

#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "engine/capture/connection.h"
#include "engine/capture/live_wal_index.h"

namespace epochfs::engine {
namespace {

using FreedText = std::unique_ptr<char, ClosedBy<std::free>>;

Result<void> try_to_clear(const std::string& path) {
  // SQLite would roll a journal back.
  if (exists(path + "-journal")) return {};
  TRY_ASSIGN(Connection connection, Connection::open(path, Access::kReadWrite, 0));
  TRY_ASSIGN(const Pin pin, connection.pin());
  if (pin != Pin::kTaken) return {};
  TRY_ASSIGN(const std::string mode, connection.text("PRAGMA journal_mode"));
  if (mode != "wal") return {};
  TRY_ASSIGN(sqlite3_file* const file, connection.raw_database_file());
  TRY_ASSIGN(const WalIndexState state, LiveWalIndex(file).read());
  if (state.header.last_frame == 0) connection.let_close_clean_up();
  connection.unpin();
  return {};
}

}  // namespace

std::string last_component(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> resolve(const std::string& path) {
  const FreedText resolved(::realpath(path.c_str(), nullptr));
  if (!resolved) return Error::from_errno(errno, path);
  return std::string(resolved.get());
}

bool may_write(const std::string& path) noexcept { return ::access(path.c_str(), W_OK) == 0; }

bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

bool is_in_read_only_fuse(const std::string& path) noexcept {
  struct statfs kind = {};
  struct statvfs flags = {};
  return ::statfs(path.c_str(), &kind) == 0 && kind.f_type == FUSE_SUPER_MAGIC &&
         ::statvfs(path.c_str(), &flags) == 0 && (flags.f_flag & ST_RDONLY) != 0;
}

void clear_empty_log(const std::string& database_path) {
  const auto ignored = try_to_clear(database_path);
  static_cast<void>(ignored);
}

}  // namespace epochfs::engine
