// What ZLayer's replicator stored, mounted: every epoch byte for byte what SQLite had committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/random_history.h"
#include "tests/support/temporary_directory.h"
#include "tests/zlayer/scenarios.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class ZlayerTest : public testing::Test, public testing::WithParamInterface<const char*> {
 protected:
  static std::string script(const std::string& name) {
    return std::string(EPOCHFS_SOURCE_DIR "/tests/zlayer/") + name;
  }
  [[nodiscard]] ProcessResult python(std::vector<std::string> words) const {
    words.front() = script(words.front());
    words.insert(words.begin(), "python3");
    return run(words, {.environment = {{"EPOCHFS_COMMAND", EPOCHFS_COMMAND},
                                       {"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    return run(words, {.environment = {{"EPOCHFS_CACHE_DIR", directory_ / "cache"}}});
  }
  void make(const std::string& what) const {
    const std::string seed = std::to_string(test_seed() % 1'000'000'000);
    const ProcessResult made = python({"make.py", what, directory_ / "made", seed});
    ASSERT_EQ(made.exit_code, 0) << "EPOCHFS_TEST_SEED=" << seed << "\n" << made.out << made.err;
    std::cout << what << ": EPOCHFS_TEST_SEED=" << seed << ", " << made.out;
  }
  void expect_truth(const std::vector<std::string>& options = {}) const {
    files::create_directory(directory_ / "mnt");
    std::vector<std::string> words = {"check.py", directory_ / "made/truth.json", objects_,
                                      directory_ / "mnt"};
    words.insert(words.end(), options.begin(), options.end());
    const ProcessResult checked = python(words);
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    EXPECT_NE(checked.out.find("epochs offered"), std::string::npos) << checked.out;
  }
  [[nodiscard]] std::vector<std::string> objects_in(const std::string& directory) const {
    std::vector<std::string> paths;
    for (const auto& entry : files::directory_iterator(objects_ + "/" + directory))
      paths.push_back(entry.path());
    std::ranges::sort(paths);
    return paths;
  }
  [[nodiscard]] std::string log() const {
    const ProcessResult said = epochfs({"log", objects_});
    EXPECT_EQ(said.exit_code, 0) << said.err;
    return said.out;
  }

  const TemporaryDirectory directory_;
  const std::string objects_ = directory_ / "made/objects";
};

TEST_P(ZlayerTest, OffersWhatWasCommittedAndNothingElse) {
  make(GetParam());
  expect_truth();
  const ProcessResult verified = epochfs({"verify", objects_});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

INSTANTIATE_TEST_SUITE_P(Replicated, ZlayerTest, testing::ValuesIn(kZlayerScenarios),
                         scenario_name);

class CopiedZlayerTest : public ZlayerTest {
 protected:
  // As a copy does that keeps no times: one object after the other, `before` first.
  void store_again(const std::function<bool(const files::path&, const files::path&)>& before) {
    std::vector<files::path> objects;
    for (const auto& entry : files::recursive_directory_iterator(objects_)) {
      if (entry.is_regular_file()) objects.push_back(entry.path());
    }
    std::ranges::sort(objects, before);
    auto now = files::file_time_type::clock::now() - std::chrono::hours(1);
    for (const files::path& object : objects)
      files::last_write_time(object, now += std::chrono::milliseconds(20));
  }
  [[nodiscard]] bool notes_the_copy() const {
    const ProcessResult info = epochfs({"info", objects_});
    EXPECT_EQ(info.exit_code, 0) << info.err;
    return info.out.find("are those of a copy") != std::string::npos;
  }
};

TEST_P(CopiedZlayerTest, OffersTheSameWhenTheOrderIsKept) {
  make(GetParam());
  store_again([](const files::path& one, const files::path& other) {
    return std::tuple(files::last_write_time(one), one) <
           std::tuple(files::last_write_time(other), other);
  });
  expect_truth();
  EXPECT_FALSE(notes_the_copy());
}

// Snapshots before logs, and logs by how long they are: so cp and sync go through them.
TEST_P(CopiedZlayerTest, OffersNothingElseWhenTheOrderIsLost) {
  make(GetParam());
  store_again(std::less());
  expect_truth({"--times-are-new"});
  const bool has_one_log =
      std::string_view(GetParam()) == "reopened";  // the others' keys were reused
  EXPECT_NE(notes_the_copy(), has_one_log);
}

INSTANTIATE_TEST_SUITE_P(Replicated, CopiedZlayerTest,
                         testing::Values("restarted", "outranked", "reopened"));

TEST_F(ZlayerTest, TakesInWhatIsStoredWhileItIsMounted) {
  make("plain");
  const std::vector<std::string> copies = objects_in("wal");
  const std::string& newest = copies.back();
  files::rename(newest, directory_ / "later");
  files::create_directory(directory_ / "mnt");
  ASSERT_EQ(epochfs({"mount", objects_, directory_ / "mnt"}).exit_code, 0);
  const std::string epochs = directory_ / "mnt/objects/epochs";
  const auto count = [&] { return std::distance(files::directory_iterator(epochs), {}); };
  const auto before = count();
  files::rename(directory_ / "later", newest);
  for (int tries = 0; tries < 600 && count() == before; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GT(count(), before);
  EXPECT_EQ(epochfs({"umount", directory_ / "mnt"}).exit_code, 0);
  expect_truth();
}

TEST_F(ZlayerTest, NamesEpochsThatNumbersShift) {
  make("plain");
  const std::string said = log();
  const std::size_t at = said.find("-1-");
  ASSERT_NE(at, std::string::npos) << said;
  const std::size_t begin = said.rfind(' ', at) + 1;
  const std::string name = said.substr(begin, said.find_first_of(" \n", at) - begin);
  const std::string restored = directory_ / "restored.db";
  const ProcessResult done = epochfs({"restore", objects_ + "@" + name, restored});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(epochfs({"restore", objects_ + "@ffffffff-9-9", directory_ / "none"}).exit_code, 5);
}

TEST_F(ZlayerTest, OffersUnprovenEpochsOnlyWhenAskedTo) {
  make("without-base");
  EXPECT_EQ(log().find("unproven"), std::string::npos);
  const ProcessResult asked = epochfs({"log", objects_, "--unproven"});
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_NE(asked.out.find("(unproven)"), std::string::npos) << asked.out;
  const ProcessResult info = epochfs({"info", objects_});
  EXPECT_NE(info.out.find("rest on no snapshot"), std::string::npos) << info.out;
}

TEST_F(ZlayerTest, GoesOnBesideADamagedObject) {
  make("plain");
  const std::string newest = objects_in("wal").back();
  files::resize_file(newest, files::file_size(newest) / 2);
  std::ofstream(objects_ + "/wal/00000000000000000777.wal.zst") << "not zstd";
  std::ofstream(objects_ + "/wal/stranger") << "none of the replicator's";
  const ProcessResult verified = epochfs({"verify", objects_});
  EXPECT_EQ(verified.exit_code, 4) << verified.out;
  EXPECT_NE(verified.out.find(files::path(newest).filename().string()), std::string::npos);
  EXPECT_NE(verified.out.find("00000000000000000777"), std::string::npos) << verified.out;
  EXPECT_EQ(verified.out.find("stranger"), std::string::npos) << verified.out;
  EXPECT_EQ(epochfs({"info", objects_}).exit_code, 3);
  const ProcessResult restored = epochfs({"restore", objects_, directory_ / "restored.db"});
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
}

TEST_F(ZlayerTest, DecompressesAnewWhatWentBadInItsCache) {
  make("plain");
  const std::string first = directory_ / "first.db";
  ASSERT_EQ(epochfs({"restore", objects_, first}).exit_code, 0);
  int damaged = 0;
  for (const auto& entry : files::recursive_directory_iterator(directory_ / "cache")) {
    if (entry.path().parent_path().filename() != "objects") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t at = 100; at < entry.file_size(); at += 100) {
      file.seekp(static_cast<std::streamoff>(at));
      file.put('#');
    }
    ++damaged;
  }
  EXPECT_GT(damaged, 0);
  const std::string again = directory_ / "again.db";
  const ProcessResult done = epochfs({"restore", objects_, again});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto content = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_TRUE(content(first) == content(again));
}

// No sum covers a snapshot, so it is SQLite that has to find what is wrong with one.
TEST_F(ZlayerTest, GivesNobodyWhatSqliteFindsUnsound) {
  make("plain");
  for (const std::string& copy : objects_in("wal")) files::remove(copy);
  const std::string live = directory_ / "made/live.db";
  constexpr std::uintmax_t kPageBytes = 4096;
  {
    std::fstream file(live, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t at = kPageBytes; at < files::file_size(live); at += kPageBytes) {
      file.seekp(static_cast<std::streamoff>(at));
      file.put('#');  // no kind of page
    }
  }
  const std::string snapshot = objects_in("snapshots").back();
  ASSERT_EQ(run({"zstd", "-q", "-f", live, "-o", snapshot}).exit_code, 0);
  const std::string restored = directory_ / "restored.db";
  for (const std::string& output : {restored, std::string("-")}) {
    const ProcessResult refused = epochfs({"restore", objects_, output});
    EXPECT_EQ(refused.exit_code, 4) << refused.err;
    EXPECT_NE(refused.err.find("SQLite finds"), std::string::npos) << refused.err;
    EXPECT_EQ(refused.out, "");
  }
  EXPECT_FALSE(files::exists(restored));
  const ProcessResult verified = epochfs({"verify", objects_});
  EXPECT_EQ(verified.exit_code, 4) << verified.out << verified.err;
  EXPECT_NE(verified.out.find("SQLite finds"), std::string::npos) << verified.out;
  const ProcessResult structure = epochfs({"verify", "--quick", objects_});
  EXPECT_EQ(structure.exit_code, 0) << structure.out << structure.err;
}

TEST_F(ZlayerTest, SaysThatThereIsNoBackup) {
  files::create_directories(objects_ + "/snapshots");
  files::create_directories(objects_ + "/wal");
  const ProcessResult said = epochfs({"info", objects_});
  EXPECT_EQ(said.exit_code, 10) << said.out << said.err;
}

}  // namespace
}  // namespace epochfs::test
