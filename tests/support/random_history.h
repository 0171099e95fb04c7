// A live SQLite database to which everything happens that applications do, at random, and what a
// read transaction saw after each commit.
//
// Threads   a RandomHistory belongs to one thread at a time
// Errors    failures of SQLite itself are test failures: they throw std::runtime_error
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/live_database.h"
#include "tests/support/samples.h"

namespace epochfs::test {

struct RandomHistoryOptions {
  std::uint32_t page_size = 4096;    // at first: vacuuming may change it
  std::string auto_vacuum = "NONE";  // NONE, FULL, INCREMENTAL
  std::string journal_mode = "WAL";  // any that SQLite has

  [[nodiscard]] std::string name() const;  // of a test with them: WAL4096NONE
};
void PrintTo(const RandomHistoryOptions& options, std::ostream* out);

class RandomHistory {
 public:
  struct Moment {
    std::string transactions;  // `SELECT n FROM counter`
    std::string image;         // the database, byte for byte
  };

  // Creates `path`. The write-ahead log, if that is the mode, is moved into the database by steps
  // alone, never as a side effect of a commit.
  RandomHistory(const std::string& path, const RandomHistoryOptions& options, std::uint64_t seed);
  RandomHistory(const RandomHistory&) = delete;
  RandomHistory& operator=(const RandomHistory&) = delete;

  // One thing that happens: mostly a transaction, with savepoints that are rolled back, or more in
  // it than the page cache holds; sometimes a roll-back, a vacuum, other pages, a checkpoint.
  void step();

  // One for each commit that changed anything, in order; no two neighbours are equal. In the modes
  // with a rollback journal a roll-back may change free pages: then there is one for it, too.
  [[nodiscard]] const std::vector<Moment>& moments() const noexcept { return moments_; }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::string random_write();
  void transaction();
  void roll_back();
  void checkpoint();
  void vacuum_into_other_pages();
  void set_journal_mode(const std::string& mode);
  void remember();

  std::string path_;
  RandomHistoryOptions options_;
  std::mt19937_64 random_;
  LiveDatabase writer_;
  std::unique_ptr<LiveDatabase> reader_;
  std::string version_;  // of the database, as the reader saw it last
  std::vector<Moment> moments_;
};

}  // namespace epochfs::test
