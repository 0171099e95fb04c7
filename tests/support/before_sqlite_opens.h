// Other programs act at any moment; this is how a test picks one inside of a call.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <utility>

namespace epochfs::test {

// As long as it exists, runs `hook` once, right before SQLite opens a database file in this process
// for the `nth` time. Opens inside of `hook` do not count. One at a time.
class BeforeSqliteOpens {
 public:
  BeforeSqliteOpens(int nth, std::function<void()> hook)
      : system_(sqlite3_vfs_find(nullptr)), ours_(*system_) {
    opens_left_ = nth;
    hook_ = std::move(hook);
    ours_.zName = "before-sqlite-opens";
    ours_.xOpen = open;
    sqlite3_vfs_register(&ours_, 1);
  }
  BeforeSqliteOpens(const BeforeSqliteOpens&) = delete;
  BeforeSqliteOpens& operator=(const BeforeSqliteOpens&) = delete;
  ~BeforeSqliteOpens() {
    sqlite3_vfs_unregister(&ours_);
    sqlite3_vfs_register(system_, 1);
    hook_ = nullptr;
  }

  static bool has_run() { return !hook_; }

 private:
  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* given) {
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0 && hook_ && --opens_left_ == 0)
      std::exchange(hook_, nullptr)();
    return sqlite3_vfs_find("unix")->xOpen(vfs, name, file, flags, given);
  }

  static inline std::function<void()> hook_;
  static inline int opens_left_ = 0;

  sqlite3_vfs* system_;
  sqlite3_vfs ours_;
};

}  // namespace epochfs::test
