// `epochfs copy` killed at each of its system calls that change anything: the copy has no history,
// the old one or the new one, always whole, and the next copy completes it.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/crash/kill_at_every_call.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class CopyCrashTest : public testing::Test {
 protected:
  ProcessResult epochfs(std::vector<std::string> words, std::vector<std::string> under = {}) {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  ProcessResult copy(std::vector<std::string> under = {}) {
    return epochfs({"copy", directory_ / "repo", directory_ / "copy"}, std::move(under));
  }
  void change(const std::string& content) {
    std::ofstream(directory_ / "a.txt") << content;
    ASSERT_EQ(epochfs({"backup", directory_ / "a.txt", directory_ / "repo"}).exit_code, 0);
  }
  // Names and bytes of what counts: not the lock, and not the cursor, which is not copied.
  std::map<std::string, std::string> objects(const std::string& directory) {
    std::map<std::string, std::string> found;
    for (const auto& entry : files::directory_iterator(directory_ / directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string name = entry.path().filename();
      if (!name.starts_with('.') && name != "cursor.json")
        found[name] = {std::istreambuf_iterator<char>(in), {}};
    }
    return found;
  }

  // "saved" is what the copy is before; none: nothing.
  void kill_everywhere() {
    KillAtEveryCall matrix;
    matrix.prepare = [this] {
      for (const char* name : {"copy", "cache"}) files::remove_all(directory_ / name);
      if (files::exists(directory_ / "saved"))
        files::copy(directory_ / "saved", directory_ / "copy", files::copy_options::recursive);
    };
    matrix.run = [this](std::vector<std::string> under) { return copy(std::move(under)); };
    matrix.check = [this](const ProcessResult& killed) {
      const ProcessResult verified = epochfs({"verify", directory_ / "copy"});
      EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 10) << verified.out;
      if (killed.out.find("copied") != std::string::npos) {
        EXPECT_EQ(objects("copy/a"), objects("repo/a"));
      }
      const ProcessResult next = copy();
      EXPECT_EQ(next.exit_code, 0) << next.err;
      EXPECT_EQ(objects("copy/a"), objects("repo/a"));
    };
    matrix.kill_everywhere();
  }

  const TemporaryDirectory directory_;
};

TEST_F(CopyCrashTest, LeavesNothingOrAWholeHistoryTheFirstTime) {
  change("one");
  change("two");
  kill_everywhere();
}

TEST_F(CopyCrashTest, KeepsTheOldOrTheNewHistoryLater) {
  change("one");
  ASSERT_EQ(copy().exit_code, 0);
  files::copy(directory_ / "copy", directory_ / "saved", files::copy_options::recursive);
  for (const char* content : {"two", "three", "four", "five"}) change(content);
  kill_everywhere();
}

}  // namespace
}  // namespace epochfs::test
