// `epochfs backup` killed at each of its system calls that change anything: what was acknowledged
// is there, the repository is sound, and the next backup needs no human.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/crash/kill_at_every_call.h"
#include "tests/support/process.h"
#include "tests/support/sqlite_history.h"
#include "tests/support/temporary_directory.h"

namespace epochfs {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class BackupCrashTest : public testing::Test {
 protected:
  test::ProcessResult epochfs(std::vector<std::string> words, std::vector<std::string> under = {}) {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return test::run(command, {.environment = {{"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  test::ProcessResult back_up(std::vector<std::string> under = {}) {
    return epochfs({"backup", directory_ / "app.db", directory_ / "repo"}, std::move(under));
  }

  // The repository as the saved copy has it, and no cache.
  void prepare() {
    std::filesystem::remove_all(directory_ / "repo");
    std::filesystem::remove_all(directory_ / "cache");
    if (std::filesystem::exists(directory_ / "saved"))
      std::filesystem::copy(directory_ / "saved", directory_ / "repo",
                            std::filesystem::copy_options::recursive);
  }

  std::uint64_t epochs_in_repository() {
    const auto log = epochfs({"log", directory_ / "repo", "--json"});
    return static_cast<std::uint64_t>(std::count(log.out.begin(), log.out.end(), '\n'));
  }

  void expect_sound_after(const test::ProcessResult& killed, std::uint64_t epochs_before,
                          std::uint64_t epochs_after, const std::string& newest_image) {
    const bool acknowledged = killed.out.find("epoch ") != std::string::npos;
    if (std::filesystem::exists(directory_ / "repo/epochfs.json")) {
      const auto verified = epochfs({"verify", directory_ / "repo"});
      EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 3)
          << verified.out << verified.err;
      const std::uint64_t epochs = epochs_in_repository();
      EXPECT_TRUE(epochs == epochs_before || epochs == epochs_after) << epochs;
      if (acknowledged) {
        EXPECT_EQ(epochs, epochs_after);
      }
    } else {
      EXPECT_FALSE(acknowledged);
    }
    const auto next = back_up();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_EQ(epochs_in_repository(), epochs_after) << next.out;
    const auto verified = epochfs({"verify", directory_ / "repo"});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    std::filesystem::remove(directory_ / "out.db");
    const auto restored = epochfs({"restore", directory_ / "repo", directory_ / "out.db"});
    EXPECT_EQ(restored.exit_code, 0) << restored.err;
    EXPECT_TRUE(read_file(directory_ / "out.db") == newest_image);
  }

  // In a copy of what is left: the place itself is as it was.
  void expect_init_completes(const test::ProcessResult& killed) {
    constexpr int kIsThere = 6;
    const std::string copy = directory_ / "copy";
    std::filesystem::remove_all(copy);
    if (std::filesystem::exists(directory_ / "repo"))
      std::filesystem::copy(directory_ / "repo", copy, std::filesystem::copy_options::recursive);
    const bool is_there = std::filesystem::exists(copy + "/epochfs.json");
    if (killed.err.find("empty repository") != std::string::npos) {
      EXPECT_TRUE(is_there);
    }
    const auto next = epochfs({"init", copy});
    EXPECT_EQ(next.exit_code, is_there ? kIsThere : 0) << next.err;
    const auto verified = epochfs({"verify", copy});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }

  void kill_everywhere(std::uint64_t epochs_before, std::uint64_t epochs_after,
                       const std::string& newest_image) {
    test::KillAtEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [&](const test::ProcessResult& killed) {
      expect_sound_after(killed, epochs_before, epochs_after, newest_image);
    };
    matrix.kill_everywhere();
  }

  TemporaryDirectory directory_;
};

TEST_F(BackupCrashTest, LeavesNothingOrAWholeRepositoryWhenTheFirstBackupDies) {
  test::SqliteHistory history(directory_ / "app.db", 50, {});
  kill_everywhere(0, 1, history.moments().back().image);
}

TEST_F(BackupCrashTest, KeepsTheOldOrTheNewHistoryWhenAnIncrementDies) {
  test::SqliteHistory history(directory_ / "app.db", 50, {});
  ASSERT_EQ(back_up().exit_code, 0);
  std::filesystem::copy(directory_ / "repo", directory_ / "saved",
                        std::filesystem::copy_options::recursive);
  history.commit(3);
  kill_everywhere(1, 4, history.moments().back().image);
}

TEST_F(BackupCrashTest, LeavesNothingOrAnEmptyRepositoryWhenInitDies) {
  const test::SqliteHistory history(directory_ / "app.db", 50, {});
  test::KillAtEveryCall matrix;
  matrix.kills_min = 8;
  matrix.prepare = [this] { prepare(); };
  matrix.run = [this](std::vector<std::string> under) {
    return epochfs({"init", directory_ / "repo"}, std::move(under));
  };
  matrix.check = [&](const test::ProcessResult& killed) {
    expect_init_completes(killed);
    expect_sound_after(killed, 0, 1, history.moments().back().image);
  };
  matrix.kill_everywhere();
}

}  // namespace
}  // namespace epochfs
