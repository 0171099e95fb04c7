// `epochfs backup` and `epochfs init` while one of their system calls fails.

#include <gtest/gtest.h>

#include "tests/crash/fail_every_call.h"
#include "tests/crash/troubled_backup.h"

namespace epochfs::test {
namespace {

class FaultsTest : public TroubledBackup {
 protected:
  void fail_everywhere(const Images& old_epochs, const Images& new_epochs) {
    save();
    FailEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [&](const ProcessResult& result) {
      expect_good(result, old_epochs, new_epochs);
    };
    matrix.fail_everywhere();
  }
};

TEST_F(FaultsTest, LeavesNothingOrAWholeRepositoryWhenACallOfTheFirstBackupFails) {
  const SqliteHistory history(database_, 30);
  fail_everywhere({}, images_of(history));
}

TEST_F(FaultsTest, KeepsTheOldOrTheNewHistoryWhenACallOfAnIncrementFails) {
  SqliteHistory history(database_, 30);
  ASSERT_EQ(back_up().exit_code, 0);
  const Images old_epochs = images_of(history);
  history.commit(3);
  fail_everywhere(old_epochs, images_of(history));
}

TEST_F(FaultsTest, MakesAnEmptyRepositoryOrSaysWhyNotAndDoesSoTheNextTime) {
  FailEveryCall matrix;
  matrix.prepare = [this] { std::filesystem::remove_all(repository_); };
  matrix.run = [this](std::vector<std::string> under) {
    return epochfs({"init", repository_}, std::move(under));
  };
  matrix.check = [this](const ProcessResult& result) {
    expect_a_plain_end(result);
    if (result.exit_code != 0) {
      constexpr int kIsThere = 6;
      const ProcessResult next = epochfs({"init", repository_});
      EXPECT_TRUE(next.exit_code == 0 || next.exit_code == kIsThere) << next.err;
    }
    const ProcessResult info = epochfs({"info", repository_});
    EXPECT_EQ(info.exit_code, 0) << info.err;
  };
  matrix.fail_everywhere();
}

}  // namespace
}  // namespace epochfs::test
