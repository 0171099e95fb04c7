// `epochfs import` and `epochfs export` killed at each of their system calls that change anything:
// what is named is whole, and the next run goes on where that one stopped.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/crash/kill_at_every_call.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace fs = std::filesystem;

class TransferCrashTest : public testing::Test {
 protected:
  TransferCrashTest() : db_(directory_ / "own", engine::grafeo::Generation::kV2) {
    db_.commit(2).full().commit(3).incremental().commit(1).incremental();
  }
  ProcessResult epochfs(std::vector<std::string> words, std::vector<std::string> under = {}) {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  ProcessResult import(std::vector<std::string> under = {}) {
    return epochfs({"import", directory_ / "own", directory_ / "repo"}, std::move(under));
  }
  ProcessResult export_it(std::vector<std::string> under = {}) {
    return epochfs({"export", directory_ / "repo", directory_ / "out"}, std::move(under));
  }
  // Names and bytes; the lock of the writer is none of them.
  static std::map<std::string, std::string> content_of(const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string name = entry.path().filename();
      if (!name.starts_with('.')) files[name] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
  }
  // Segments that no manifest names yet, and nothing else, may stand in the way of a verdict.
  void expect_sound_or_absent() {
    const ProcessResult verified = epochfs({"verify", directory_ / "repo"});
    EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 10) << verified.out;
  }
  void remove(const std::string& name) { fs::remove_all(directory_ / name); }

  const TemporaryDirectory directory_;
  GrafeoBuilder db_;
};

TEST_F(TransferCrashTest, LeavesAHistoryThatTheNextImportCompletes) {
  ASSERT_EQ(import().exit_code, 0);
  ASSERT_EQ(export_it().exit_code, 0);
  const auto whole = content_of(directory_ / "out");
  KillAtEveryCall matrix;
  matrix.prepare = [this] {
    for (const char* name : {"repo", "cache", "out"}) remove(name);
  };
  matrix.run = [this](std::vector<std::string> under) { return import(std::move(under)); };
  matrix.check = [&](const ProcessResult&) {
    expect_sound_or_absent();
    const ProcessResult next = import();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    expect_sound_or_absent();
    EXPECT_EQ(export_it().exit_code, 0);
    EXPECT_TRUE(content_of(directory_ / "out") == whole);
  };
  matrix.kill_everywhere();
}

// Once the directory has its manifest. Before, its files are nobody's, and an export asks for an
// empty one.
TEST_F(TransferCrashTest, LeavesADirectoryThatTheNextExportCompletes) {
  ASSERT_EQ(import().exit_code, 0);
  ASSERT_EQ(export_it().exit_code, 0);
  const auto whole = content_of(directory_ / "out");
  KillAtEveryCall matrix;
  matrix.prepare = [this] {
    for (const char* name : {"cache", "out"}) remove(name);
  };
  matrix.run = [this](std::vector<std::string> under) { return export_it(std::move(under)); };
  matrix.check = [&](const ProcessResult&) {
    const bool has_manifest = fs::exists(directory_ / "out/backup_manifest.json");
    if (has_manifest) {
      EXPECT_EQ(epochfs({"verify", directory_ / "out"}).exit_code, 0);
    } else {
      remove("out");
    }
    const ProcessResult next = export_it();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_TRUE(content_of(directory_ / "out") == whole);
  };
  matrix.kill_everywhere();
}

}  // namespace
}  // namespace epochfs::test
