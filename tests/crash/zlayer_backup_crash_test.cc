// `epochfs backup` into ZLayer's layout, killed at each of its system calls that change anything,
// and with each of them failing: the original's restore makes a committed state of what is left,
// readers see what was committed and nothing else, and the next backup needs no human.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/crash/fail_every_call.h"
#include "tests/crash/kill_at_every_call.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

namespace fs = std::filesystem;

class ZlayerBackupCrashTest : public testing::Test {
 protected:
  ProcessResult epochfs(std::vector<std::string> words, std::vector<std::string> under = {}) {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", cache_}}});
  }
  ProcessResult back_up(std::vector<std::string> under = {}) {
    std::vector<std::string> words{"backup", database_, place_, "--format", "zlayer"};
    if (full_) words.emplace_back("--full");
    return epochfs(words, std::move(under));
  }
  void save() {
    fs::copy(place_, directory_ / "saved-place", fs::copy_options::recursive);
    fs::copy(cache_, directory_ / "saved-cache", fs::copy_options::recursive);
  }
  // What each run begins with: a snapshot, and a copy of the log.
  void store_two(SqliteHistory& history) {
    ASSERT_EQ(back_up().exit_code, 0);
    history.commit();
    ASSERT_EQ(back_up().exit_code, 0);
    save();
  }
  void prepare() {
    for (const auto& [saved, now] : {std::pair(directory_ / "saved-place", place_),
                                     std::pair(directory_ / "saved-cache", cache_)}) {
      fs::remove_all(now);
      if (fs::exists(saved)) fs::copy(saved, now, fs::copy_options::recursive);
    }
  }

  std::int64_t epochs_listed() {
    const ProcessResult log = epochfs({"log", place_, "--json"});
    EXPECT_TRUE(log.exit_code == 0 || log.exit_code == 10) << log.err;
    EXPECT_EQ(log.out.find("assumed"), std::string::npos) << log.out;
    return std::count(log.out.begin(), log.out.end(), '\n');
  }
  // What the original's restore makes of the place; empty: there is no backup.
  std::string restored_by_rule() {
    const std::string output = directory_ / "by-rule.db";
    fs::remove(output);
    const ProcessResult done =
        run({"python3", EPOCHFS_SOURCE_DIR "/tests/zlayer/rule.py", place_, output});
    if (done.exit_code != 0 && done.err == "no backup\n") return {};
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return file_bytes(output);
  }
  void expect_epoch(std::int64_t number, const std::string& image) {
    const std::string output = directory_ / "restored.db";
    fs::remove(output);
    const ProcessResult done = epochfs({"restore", place_ + "@" + std::to_string(number), output});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_TRUE(file_bytes(output) == image) << "epoch " << number;
  }

  // Epochs are the moments of the history, of which the first `before` were stored before.
  void kill_everywhere(const SqliteHistory& history, std::size_t before) {
    KillAtEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [&](const ProcessResult& killed) { expect_good(killed, history, before); };
    matrix.kill_everywhere();
  }
  void fail_everywhere(const SqliteHistory& history, std::size_t before) {
    FailEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [&](const ProcessResult& result) {
      FailEveryCall::expect_an_answer(result);
      expect_good(result, history, before);
    };
    matrix.fail_where_something_changes();
  }

  void expect_good(const ProcessResult& result, const SqliteHistory& history, std::size_t before) {
    const auto& moments = history.moments();
    const std::string old_image = before == 0 ? "" : moments[before - 1].image;
    const std::string new_image = moments.back().image;
    const auto after = static_cast<std::int64_t>(before == 0 ? 1 : moments.size());
    const bool is_acknowledged = result.out.find("epoch ") != std::string::npos;
    const std::string image = restored_by_rule();
    EXPECT_TRUE(image == new_image || (image == old_image && !is_acknowledged));
    const std::int64_t listed = epochs_listed();
    EXPECT_TRUE(listed == static_cast<std::int64_t>(before) || listed == after) << listed;
    if (is_acknowledged) {
      EXPECT_EQ(listed, after);
    }
    const ProcessResult next = back_up();
    EXPECT_EQ(next.exit_code, 0) << next.out << next.err;
    EXPECT_EQ(epochs_listed(), after) << next.out;
    EXPECT_TRUE(restored_by_rule() == new_image);
    expect_epoch(after, new_image);
    if (before > 0) expect_epoch(static_cast<std::int64_t>(before), old_image);
    const ProcessResult verified = epochfs({"verify", place_});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }

  const TemporaryDirectory directory_;
  const std::string database_ = directory_ / "app.db";
  const std::string place_ = directory_ / "place";
  const std::string cache_ = directory_ / "cache";
  bool full_ = false;
};

TEST_F(ZlayerBackupCrashTest, LeavesNothingOrASnapshotWhenTheFirstBackupDies) {
  const SqliteHistory history(database_, 30);
  kill_everywhere(history, 0);
}

TEST_F(ZlayerBackupCrashTest, LeavesNothingOrASnapshotWhenACallOfTheFirstBackupFails) {
  const SqliteHistory history(database_, 30);
  fail_everywhere(history, 0);
}

TEST_F(ZlayerBackupCrashTest, KeepsTheOldOrTheNewHistoryWhenACopyDies) {
  SqliteHistory history(database_, 30);
  store_two(history);
  history.commit(3);
  kill_everywhere(history, 2);
}

TEST_F(ZlayerBackupCrashTest, KeepsTheOldOrTheNewHistoryWhenACallOfACopyFails) {
  SqliteHistory history(database_, 30);
  store_two(history);
  history.commit(3);
  fail_everywhere(history, 2);
}

TEST_F(ZlayerBackupCrashTest, KeepsTheOldOrTheNewHistoryWhenASnapshotDies) {
  SqliteHistory history(database_, 30);
  ASSERT_EQ(back_up().exit_code, 0);
  save();
  history.commit(2);
  full_ = true;
  kill_everywhere(history, 1);
}

}  // namespace
}  // namespace epochfs::test
