// A live SQLite database that remembers what a read transaction saw after each of its commits.
//
// Threads   a SqliteHistory belongs to one thread at a time; moments may be read by another one
//           once the first has stopped committing
// Errors    failures of SQLite itself are test failures: they throw std::runtime_error
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/support/live_database.h"

namespace epochfs::test {

struct SqliteHistoryOptions {
  std::uint32_t page_size = 4096;
  std::string journal_mode = "WAL";
  std::uint64_t seed = 1;
};

// Table `ledger(id, step, text)`: `id` runs from 1, `step` is the transaction that wrote the row
// last. Every transaction adds rows, changes some and deletes some.
class SqliteHistory {
 public:
  // What was to be seen right after a commit.
  struct Moment {
    std::uint64_t step = 0;  // the transaction's number: 1, 2, 3, ...
    std::int64_t rows = 0;
    std::int64_t step_sum = 0;  // of column `step`
    std::string image;          // the database, byte for byte
  };

  // Creates `path` and commits `row_count` rows as transaction 1. The write-ahead log, if that is
  // the mode, is moved into the database by checkpoint() alone.
  SqliteHistory(const std::string& path, std::int64_t row_count,
                const SqliteHistoryOptions& options = {});
  SqliteHistory(const SqliteHistory&) = delete;
  SqliteHistory& operator=(const SqliteHistory&) = delete;

  void commit(std::size_t count = 1);
  // Moves the log into the database, as SQLite does by itself; the next commit restarts the log.
  void checkpoint();

  // One for each transaction so far, in order.
  [[nodiscard]] const std::vector<Moment>& moments() const noexcept { return moments_; }

 private:
  std::string random_text();
  void remember();

  LiveDatabase database_;
  std::mt19937_64 random_;
  std::vector<Moment> moments_;
};

}  // namespace epochfs::test
