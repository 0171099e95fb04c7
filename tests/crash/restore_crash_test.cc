// `epochfs restore --force` that fails or dies where the new file would get its name: what was
// committed before is there still, in the old file and its log.

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/live_database.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class RestoreCrashTest : public testing::Test {
 protected:
  void SetUp() override {
    LiveDatabase stored(directory_ / "stored.db");
    stored.run("CREATE TABLE t(x); INSERT INTO t VALUES ('stored')");
    ASSERT_EQ(epochfs({"backup", directory_ / "stored.db", directory_ / "repo"}).exit_code, 0);
    LiveDatabase live(directory_ / "live.db");
    live.run("PRAGMA journal_mode = WAL; CREATE TABLE t(x)");
    live.run("PRAGMA wal_checkpoint(TRUNCATE)");
    live.run("INSERT INTO t VALUES ('in the log')");
    for (const char* ending : {"", "-wal"})
      files::copy_file(directory_ / "live.db" + ending, target_ + ending);
  }
  ProcessResult epochfs(std::vector<std::string> words, std::vector<std::string> under = {}) const {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  // `what` happens to the call that would put the new file in the place of the old one: the second
  // of its kind where there is a log, which makes way first.
  ProcessResult restore_but(const std::string& what, int call = 2) const {
    return epochfs({"restore", "--force", directory_ / "repo", target_},
                   {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e",
                    "inject=rename:" + what + ":when=" + std::to_string(call)});
  }
  [[nodiscard]] std::string content() const {
    return LiveDatabase(target_).ask("SELECT group_concat(x) FROM t");
  }
  [[nodiscard]] std::size_t count_of_files() const {
    return static_cast<std::size_t>(
        std::distance(files::directory_iterator(files::path(target_).parent_path()), {}));
  }

  const TemporaryDirectory directory_;
  const TemporaryDirectory place_;
  const std::string target_ = place_ / "app.db";
};

TEST_F(RestoreCrashTest, GivesTheOldDatabaseItsLogBackWhenItFails) {
  const ProcessResult failed = restore_but("error=EIO");
  EXPECT_EQ(failed.exit_code, 1) << failed.err;
  EXPECT_EQ(count_of_files(), 2U);
  EXPECT_EQ(content(), "in the log");
}

TEST_F(RestoreCrashTest, LeavesTheOldLogUnderAnotherNameWhenItDies) {
  EXPECT_GT(restore_but("signal=KILL").exit_code, 128);
  ASSERT_TRUE(files::exists(target_ + "-wal.before-restore"));
  files::rename(target_ + "-wal.before-restore", target_ + "-wal");
  EXPECT_EQ(content(), "in the log");
}

// It may be that of a database that has gone on without it.
TEST_F(RestoreCrashTest, GivesNoDatabaseALogThatAnEarlierOneLeft) {
  files::rename(target_ + "-wal", target_ + "-wal.before-restore");
  EXPECT_EQ(restore_but("error=EIO", 1).exit_code, 1);
  EXPECT_FALSE(files::exists(target_ + "-wal"));
  EXPECT_TRUE(files::exists(target_ + "-wal.before-restore"));
}

TEST_F(RestoreCrashTest, LeavesNothingOfTheOldOneWhenItSucceeds) {
  for (const bool died_before : {true, false}) {
    if (died_before) restore_but("signal=KILL");
    const ProcessResult done = epochfs({"restore", "--force", directory_ / "repo", target_});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(content(), "stored");
    EXPECT_FALSE(files::exists(target_ + "-wal.before-restore"));
    EXPECT_FALSE(files::exists(target_ + "-wal"));
  }
}

}  // namespace
}  // namespace epochfs::test
