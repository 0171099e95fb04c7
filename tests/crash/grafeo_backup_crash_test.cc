// `epochfs backup` of a database of Grafeo's, into a directory in Grafeo's own format and into a
// repository of ours, killed at each of its system calls that change anything, and with each of
// them failing: the manifest names whole segments only, and the next backup makes of it what would
// have been made without the trouble.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/core/hash.h"
#include "tests/crash/fail_every_call.h"
#include "tests/crash/kill_at_every_call.h"
#include "tests/grafeo/real_grafeo.h"

namespace epochfs::test {
namespace {

namespace fs = std::filesystem;

class RealGrafeoCrashTest : public RealGrafeoTest {
 protected:
  ProcessResult epochfs_under(std::vector<std::string> under, std::vector<std::string> words) {
    std::vector<std::string> command = std::move(under);
    command.emplace_back(EPOCHFS_COMMAND);
    command.insert(command.end(), words.begin(), words.end());
    return run(command, {.environment = {{"EPOCHFS_CACHE_DIR", path("cache")}}});
  }
  virtual ProcessResult back_up(std::vector<std::string> under = {}) {
    return epochfs_under(std::move(under), {"backup", path("now/live/shop.grafeo"),
                                            path("now/repo"), "--format", "grafeo-v2"});
  }
  // The segments in what was backed up to, as in a directory of Grafeo's.
  virtual std::vector<std::string> segments_in(const std::string& repository) {
    return segments_of(repository);
  }
  virtual void expect_sound_after_crash() {}
  void live(std::vector<std::string> words) {
    fs::create_directories(path("now/live"));
    words.insert(words.begin(), {"live.mjs", path("now/live/shop.grafeo")});
    const ProcessResult result = node(words);
    ASSERT_EQ(result.exit_code, 128 + 9) << result.err;  // every list of words ends with a crash
  }
  void save_as(const std::string& name) {
    fs::copy(path("now"), path(name), fs::copy_options::recursive);
  }
  void prepare() {
    fs::remove_all(path("now"));
    fs::copy(path("before"), path("now"), fs::copy_options::recursive);
  }

  static std::string content_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The segments in their order: entry and bytes. An entry that its file does not bear out fails.
  static std::vector<std::string> segments_of(const std::string& directory) {
    std::vector<std::string> segments;
    if (!fs::exists(directory + "/backup_manifest.json")) return segments;
    const auto manifest = nlohmann::json::parse(content_of(directory + "/backup_manifest.json"));
    for (auto entry : manifest.at("segments")) {
      const std::string bytes = content_of(directory + "/" + std::string(entry.at("filename")));
      engine::Crc32 crc;
      crc.update(engine::as_bytes(bytes));
      EXPECT_EQ(entry.at("size_bytes"), bytes.size());
      EXPECT_EQ(entry.at("checksum"), crc.value());
      entry.erase("created_at_ms");
      segments.push_back(entry.dump() + bytes);
    }
    return segments;
  }
  static nlohmann::json cursor_of(const std::string& directory) {
    auto cursor =
        nlohmann::json::parse(content_of(directory + "/live/shop.grafeo.wal/backup_cursor.meta"));
    cursor.erase("timestamp_ms");
    return cursor;
  }

  // In `before` is what was there before the backup.
  void kill_everywhere() {
    learn();
    KillAtEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [this](const ProcessResult& killed) { expect_good(killed); };
    matrix.kill_everywhere();
  }
  void fail_everywhere() {
    learn();
    FailEveryCall matrix;
    matrix.prepare = [this] { prepare(); };
    matrix.run = [this](std::vector<std::string> under) { return back_up(std::move(under)); };
    matrix.check = [this](const ProcessResult& result) {
      FailEveryCall::expect_an_answer(result);
      expect_good(result);
    };
    matrix.fail_where_something_changes();
  }

 private:
  // What a backup without trouble makes of it.
  void learn() {
    prepare();
    ASSERT_EQ(back_up().exit_code, 0);
    save_as("whole");
    old_segments_ = segments_in(path("before/repo"));
    whole_ = segments_in(path("whole/repo"));
    ASSERT_GT(whole_.size(), old_segments_.size());
  }
  void expect_good(const ProcessResult& result) {
    expect_sound_after_crash();
    const auto left = segments_in(path("now/repo"));
    ASSERT_TRUE(left.size() >= old_segments_.size() && left.size() <= whole_.size());
    EXPECT_TRUE(std::equal(left.begin(), left.end(), whole_.begin()));
    if (result.out.find("epoch ") != std::string::npos) {
      EXPECT_EQ(left, whole_);
    }
    const ProcessResult next = back_up();
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_EQ(segments_in(path("now/repo")), whole_) << next.out;
    EXPECT_EQ(cursor_of(path("now")), cursor_of(path("whole")));
  }

  std::vector<std::string> old_segments_;
  std::vector<std::string> whole_;
};

TEST_F(RealGrafeoCrashTest, LeavesWholeSegmentsOnlyWhenTheFirstBackupDies) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  save_as("before");
  kill_everywhere();
}

TEST_F(RealGrafeoCrashTest, KeepsTheOldOrTheNewHistoryWhenAnIncrementDies) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  ASSERT_EQ(back_up().exit_code, 0);
  live({"commit:3", "crash"});
  save_as("before");
  kill_everywhere();
}

TEST_F(RealGrafeoCrashTest, KeepsTheOldOrTheNewHistoryWhenACallOfAnIncrementFails) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  ASSERT_EQ(back_up().exit_code, 0);
  live({"commit:3", "crash"});
  save_as("before");
  fail_everywhere();
}

class PackedRealGrafeoCrashTest : public RealGrafeoCrashTest {
 protected:
  ProcessResult back_up(std::vector<std::string> under = {}) override {
    return epochfs_under(std::move(under),
                         {"backup", path("now/live/shop.grafeo"), path("now/repo")});
  }
  std::vector<std::string> segments_in(const std::string& repository) override {
    if (!fs::exists(repository + "/shop/manifest.json")) return {};
    fs::remove_all(path("exported"));
    const ProcessResult exported = epochfs({"export", repository, path("exported")});
    EXPECT_EQ(exported.exit_code, 0) << exported.err;
    return segments_of(path("exported"));
  }
  void expect_sound_after_crash() override {
    if (!fs::exists(path("now/repo/epochfs.json"))) return;
    const ProcessResult verified = epochfs({"verify", path("now/repo")});
    EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 3) << verified.out << verified.err;
  }
};

TEST_F(PackedRealGrafeoCrashTest, LeavesWholeSegmentsOnlyWhenTheFirstBackupDies) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  save_as("before");
  kill_everywhere();
}

TEST_F(PackedRealGrafeoCrashTest, KeepsTheOldOrTheNewHistoryWhenAnIncrementDies) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  ASSERT_EQ(back_up().exit_code, 0);
  live({"commit:3", "crash"});
  save_as("before");
  kill_everywhere();
}

TEST_F(PackedRealGrafeoCrashTest, KeepsTheOldOrTheNewHistoryWhenACallOfAnIncrementFails) {
  live({"commit:3", "checkpoint", "commit:3", "crash"});
  ASSERT_EQ(back_up().exit_code, 0);
  live({"commit:3", "crash"});
  save_as("before");
  fail_everywhere();
}

}  // namespace
}  // namespace epochfs::test
