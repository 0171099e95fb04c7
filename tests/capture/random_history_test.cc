// The oracle: real SQLite commits at random, and every epoch must be what a reader saw then.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/capture/replay.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

struct HistoryCase {
  std::string name;
  int page_size;
  std::string auto_vacuum;
  std::string journal_mode;
  friend void PrintTo(const HistoryCase& row, std::ostream* out) { *out << row.name; }
};

std::vector<HistoryCase> history_cases() {
  std::vector<HistoryCase> cases;
  for (const int page_size : {512, 1024, 4096, 16384, 65536})
    for (const char* const vacuum : {"NONE", "FULL", "INCREMENTAL"})
      cases.push_back({"Wal" + std::to_string(page_size) + vacuum, page_size, vacuum, "WAL"});
  for (const char* const mode : {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"})
    cases.push_back({std::string("Mode") + mode, 1024, "FULL", mode});
  return cases;
}

std::uint64_t base_seed() {
  const char* const given = std::getenv("EPOCHFS_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// A writer that does what applications do, and a reader that remembers what it saw after each
// commit.
class RandomWriter {
 public:
  RandomWriter(const std::string& path, const HistoryCase& how, std::uint64_t seed)
      : random_(seed), wal_(how.journal_mode == "WAL"), can_roll_back_(how.journal_mode != "OFF") {
    writer_ = std::make_unique<LiveDatabase>(path);
    writer_->run("PRAGMA page_size = " + std::to_string(how.page_size));
    writer_->run("PRAGMA auto_vacuum = " + how.auto_vacuum);
    writer_->run("PRAGMA journal_mode = " + how.journal_mode);
    writer_->run("PRAGMA synchronous = OFF");
    writer_->run("PRAGMA secure_delete = " + std::to_string(below(2)));
    writer_->run("PRAGMA wal_autocheckpoint = 0");
    writer_->run(below(2) == 0 ? "PRAGMA cache_size = 5" : "PRAGMA cache_size = 5000");  // spills
    writer_->run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB); CREATE INDEX i ON t (length(body));"
        "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)");
    reader_ = std::make_unique<LiveDatabase>(path);
    remember();
  }

  void step() {
    switch (below(24)) {
      case 0:
        writer_->run("VACUUM");
        break;
      case 1:
        writer_->run("PRAGMA incremental_vacuum(" + std::to_string(1 + below(20)) + ")");
        break;
      case 2:
        writer_->run(
            "BEGIN; CREATE TABLE big AS SELECT randomblob(3000) AS b FROM t LIMIT 40;"
            "DROP TABLE big; UPDATE counter SET n = n + 1; COMMIT");
        break;
      case 3:
        rollback();
        break;
      case 4:
        checkpoint();
        break;
      case 5:
        writer_->run(
            "BEGIN; DELETE FROM t WHERE id % 3 <> 0; UPDATE counter SET n = n + 1; COMMIT");
        break;
      default:
        transaction();
    }
    remember();
  }

  // What readers saw, one after each commit that changed anything.
  [[nodiscard]] const std::vector<std::string>& seen() const noexcept { return seen_; }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::string random_write() {
    const std::string id = std::to_string(below(120));
    switch (below(3)) {
      case 0:
        return "DELETE FROM t WHERE id = " + id;
      case 1:
        return "UPDATE t SET body = randomblob(" + std::to_string(below(2000)) +
               ") WHERE id % 7 = " + std::to_string(below(7));
      default:
        return "INSERT OR REPLACE INTO t VALUES (" + id + ", randomblob(" +
               std::to_string(below(5000)) + "))";
    }
  }

  void transaction() {
    writer_->run("BEGIN; UPDATE counter SET n = n + 1");
    const std::uint64_t writes = 1 + below(12);
    for (std::uint64_t i = 0; i < writes; ++i) {
      const bool savepoint = can_roll_back_ && below(4) == 0;
      if (savepoint) writer_->run("SAVEPOINT s");
      writer_->run(random_write());
      if (savepoint) writer_->run(below(2) == 0 ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
    }
    writer_->run("COMMIT");
  }

  void rollback() {
    if (!can_roll_back_) return;
    writer_->run("BEGIN; UPDATE counter SET n = n + 1");
    for (int i = 0; i < 8; ++i) writer_->run(random_write());
    writer_->run("ROLLBACK");
  }

  void checkpoint() {
    if (!wal_) return;
    const char* const modes[] = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};
    writer_->run(std::string("PRAGMA wal_checkpoint(") + modes[below(4)] + ")");
  }

  void remember() {
    const std::string version = reader_->ask("PRAGMA data_version");
    if (version == version_) return;
    version_ = version;
    // The version also changes when a checkpoint restarts the log; a transaction counts up.
    std::string image = reader_->image();
    if (seen_.empty() || seen_.back() != image) seen_.push_back(std::move(image));
  }

  std::mt19937_64 random_;
  bool wal_;
  bool can_roll_back_;
  std::unique_ptr<LiveDatabase> writer_;
  std::unique_ptr<LiveDatabase> reader_;
  std::string version_;
  std::vector<std::string> seen_;
};

class RandomHistory : public ::testing::TestWithParam<HistoryCase> {};

TEST_P(RandomHistory, IsCapturedByteForByte) {
  const std::uint64_t seed = base_seed();
  SCOPED_TRACE("EPOCHFS_TEST_SEED=" + std::to_string(seed));
  RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed ^ 0x5eed);
  const TemporaryDirectory directory;
  RandomWriter writer(directory / "app.db", GetParam(), seed);
  Replay replay(directory / "app.db");
  replay.options().temp_directory = directory.path();
  std::size_t captured = 0;  // states that are in the repository
  std::size_t proven = 0;
  for (int round = 0; round < 30; ++round) {
    replay.options().frames_per_batch =
        random() % 3 == 0 ? 1 + random() % 60 : engine::kFramesPerBatch;
    ASSERT_WORKS(replay.back_up());
    const std::vector<std::string>& seen = writer.seen();
    ASSERT_EQ(replay.newest(), seen.back()) << "round " << round;
    proven += replay.last_commits;
    if (replay.last_commits != 0) {
      ASSERT_EQ(replay.last_commits, replay.last_epochs);
      ASSERT_EQ(replay.last_commits, seen.size() - captured) << "round " << round;
      const std::size_t first = replay.images().size() - replay.last_commits;
      for (std::size_t i = 0; i < replay.last_commits; ++i)
        ASSERT_EQ(replay.images()[first + i], seen[captured + i])
            << "round " << round << ", transaction " << i;
    } else if (seen.size() == captured) {
      ASSERT_EQ(replay.last_epochs, 0U);
    }
    captured = seen.size();
    const std::uint64_t steps = random() % 8;
    for (std::uint64_t i = 0; i < steps; ++i) writer.step();
  }
  if (GetParam().journal_mode == "WAL") {
    EXPECT_GT(proven, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Real, RandomHistory, ::testing::ValuesIn(history_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace epochfs::test
