// Many `epochfs backup` into one repository at once, some of them killed, beside a program that
// never stops committing.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "engine/core/hash.h"
#include "tests/capture/other_process.h"
#include "tests/crash/troubled_backup.h"
#include "tests/support/random_history.h"

namespace epochfs::test {
namespace {

// Commits until it is told to stop, waits for nobody, and writes down each state that it made.
class Committer {
 public:
  Committer(const std::string& path, std::string journal)
      : journal_(std::move(journal)), program_([&](const OtherProcess::Ready& ready) -> bool {
          static volatile sig_atomic_t is_over = 0;
          static_cast<void>(::signal(SIGTERM, [](int) { is_over = 1; }));
          LiveDatabase database(path);
          database.run(
              "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 60;"
              "CREATE TABLE t (id INTEGER PRIMARY KEY, n, body)");
          sqlite3_busy_timeout(database.handle(), 0);
          std::ofstream states(journal_);
          write_down(database, states);
          ready();
          for (int n = 1; is_over == 0; ++n) {
            const std::string statement =
                fmt::format("INSERT OR REPLACE INTO t VALUES ({}, {}, randomblob({}))", n % 41, n,
                            n * 37 % 2000);
            if (database.attempt(statement) != SQLITE_OK) return false;
            write_down(database, states);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
          return database.ask("PRAGMA integrity_check") == "ok" && states.flush().good();
        }) {
    EXPECT_TRUE(program_.ready());
  }

  // Whether no statement of its failed and its database is sound.
  [[nodiscard]] bool stops_well() {
    program_.ask_to_stop();
    return program_.join() == 0;
  }
  [[nodiscard]] std::set<std::string> states() const {
    std::set<std::string> states;
    std::ifstream in(journal_);
    for (std::string line; std::getline(in, line);) states.insert(line);
    return states;
  }
  static std::string name_of(const std::string& image) {
    return engine::to_hex(engine::Sha256::of(engine::as_bytes(image)));
  }

 private:
  static void write_down(LiveDatabase& database, std::ofstream& states) {
    states << name_of(database.image()) << '\n';
  }

  std::string journal_;
  OtherProcess program_;
};

class RacingBackupsTest : public TroubledBackup {
 protected:
  // Keeps so many backups running until that many have ended.
  void race(std::size_t at_once, int backups) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
    std::mt19937_64 random(seed);
    Committer committer(database_, directory_ / "states");
    struct Running {
      std::unique_ptr<Process> process;
      bool is_to_die = false;
    };
    std::vector<Running> running(at_once);
    for (int begun = 0; begun < backups; ++begun) {
      Running& place = running[random() % at_once];
      if (place.process) end(*place.process, place.is_to_die, random() % 120);
      place = {start(random() % 2 == 0), random() % 3 == 0};
    }
    for (Running& place : running)
      if (place.process) end(*place.process, place.is_to_die, random() % 120);
    EXPECT_TRUE(committer.stops_well()) << "the program that commits was disturbed";
    expect_all_that_was_told(committer.states());
  }

 private:
  [[nodiscard]] std::unique_ptr<Process> start(bool waits) const {
    std::vector<std::string> words{EPOCHFS_COMMAND, "backup", "-q", database_, repository_};
    if (waits) words.emplace_back("--wait");
    return std::make_unique<Process>(
        words, ProcessOptions{.environment = {{"EPOCHFS_CACHE_DIR", cache_}}});
  }
  void end(Process& process, bool is_to_die, std::uint64_t after_ms) {
    constexpr int kAnotherWriter = 11;
    if (is_to_die && !process.ends_within(std::chrono::milliseconds(after_ms)))
      process.signal(SIGKILL);
    const ProcessResult result = process.wait();
    EXPECT_FALSE(result.timed_out) << result.err;
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == kAnotherWriter ||
                (is_to_die && result.exit_code == 128 + SIGKILL))
        << result.exit_code << result.err;
    if (result.exit_code == 0) told_.insert(result.out);
  }

  void expect_all_that_was_told(const std::set<std::string>& states) {
    const ProcessResult last = back_up();  // needs nobody's help
    EXPECT_EQ(last.exit_code, 0) << last.err;
    const Images images = epochs_there();
    for (std::size_t i = 0; i < images.size(); ++i)
      EXPECT_TRUE(states.contains(Committer::name_of(images[i]))) << "epoch " << i + 1;
    EXPECT_FALSE(told_.empty());
    for (const std::string& epoch : told_) {
      ASSERT_TRUE(epoch.starts_with("epoch ")) << epoch;
      EXPECT_LE(std::stoull(epoch.substr(6)), images.size());
    }
    ASSERT_FALSE(images.empty());
    EXPECT_TRUE(images.back() == LiveDatabase(database_).image());
  }

  std::set<std::string> told_;  // "epoch N\n"
};

TEST_F(RacingBackupsTest, LoseNothingAndDisturbNobodyWhenThereAreTwo) { race(2, 60); }

TEST_F(RacingBackupsTest, LoseNothingAndDisturbNobodyWhenThereAreEight) { race(8, 100); }

}  // namespace
}  // namespace epochfs::test
