// The journal of a writer that has just begun is not the hot journal of one that died, although a
// reader may see the two alike.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "tests/capture/replay.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

// As long as it exists, runs `hook` once, right after the first reader has seen that nobody has
// reserved the database: that is, before it looks whether there is something in the journal.
class AfterReservedLockCheck {
 public:
  explicit AfterReservedLockCheck(std::function<void()> hook)
      : system_(sqlite3_vfs_find(nullptr)), ours_(*system_) {
    hook_ = std::move(hook);
    ours_.zName = "after-reserved-lock-check";
    ours_.xOpen = open;
    sqlite3_vfs_register(&ours_, 1);
  }
  AfterReservedLockCheck(const AfterReservedLockCheck&) = delete;
  AfterReservedLockCheck& operator=(const AfterReservedLockCheck&) = delete;
  ~AfterReservedLockCheck() {
    sqlite3_vfs_unregister(&ours_);
    sqlite3_vfs_register(system_, 1);
  }

  static bool has_run() { return !hook_; }

 private:
  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* given) {
    const int code = sqlite3_vfs_find("unix")->xOpen(vfs, name, file, flags, given);
    constexpr int kReader = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READONLY;
    if (code != SQLITE_OK || (flags & kReader) != kReader) return code;
    real_check_ = file->pMethods->xCheckReservedLock;
    methods_ = *file->pMethods;
    methods_.xCheckReservedLock = check_reserved_lock;
    file->pMethods = &methods_;
    return code;
  }
  static int check_reserved_lock(sqlite3_file* file, int* reserved) {
    const int code = real_check_(file, reserved);
    if (hook_) std::exchange(hook_, nullptr)();
    return code;
  }

  static inline std::function<void()> hook_;
  static inline sqlite3_io_methods methods_ = {};
  static inline int (*real_check_)(sqlite3_file*, int*) = nullptr;

  sqlite3_vfs* system_;
  sqlite3_vfs ours_;
};

TEST(HotJournal, IsNotWhatALiveWriterHasJustBegun) {
  const TemporaryDirectory directory;
  LiveDatabase writer(directory / "app.db");
  // The journal is there all the time, and begins to look hot with the first page in it.
  writer.run("PRAGMA journal_mode = PERSIST; PRAGMA synchronous = OFF");
  writer.run("CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(50000))");
  Replay replay(directory / "app.db");
  ASSERT_WORKS(replay.back_up());
  writer.run("INSERT INTO t VALUES (1)");
  const std::string committed = writer.image();
  {
    const AfterReservedLockCheck check([&] { writer.run("BEGIN; INSERT INTO t VALUES (2)"); });
    ASSERT_WORKS(replay.back_up());
    EXPECT_TRUE(check.has_run());
  }
  EXPECT_EQ(replay.newest(), committed);
  EXPECT_EQ(replay.last_reason, "the database keeps no log of past transactions");
  writer.run("COMMIT");
  ASSERT_WORKS(replay.back_up());
  EXPECT_EQ(replay.newest(), writer.image());
}

}  // namespace
}  // namespace epochfs::test
