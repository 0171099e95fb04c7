// `epochfs backup --format`: what it says, what it refuses, and that it leaves the database alone.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "engine/core/handle.h"
#include "engine/formats/grafeo/v1_scanner.h"
#include "tests/grafeo/real_grafeo.h"

namespace epochfs::test {
namespace {

using engine::UniqueFd;

constexpr uid_t kNobody = 65534;

class RealGrafeoWritingTest : public RealGrafeoTest {
 protected:
  // See live.mjs. Ends as if killed when the last word is `crash`.
  void live(std::vector<std::string> words) const { live_at(database_, std::move(words)); }
  void live_at(const std::string& file, std::vector<std::string> words) const {
    const bool dies = words.back() == "crash";
    words.insert(words.begin(), {"live.mjs", file});
    const ProcessResult result = node(words);
    ASSERT_EQ(result.exit_code, dies ? 128 + SIGKILL : 0) << result.out << result.err;
  }
  [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"backup", database_, repository_, "--format", "grafeo-v2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  nlohmann::json back_up(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = words(more);
    all.emplace_back("--json");
    const ProcessResult result = epochfs(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? nlohmann::json::parse(result.out) : nlohmann::json();
  }
  void expect_refused(int exit_code, const std::string& text) const {
    const auto before = content_of(repository_);
    const ProcessResult result = epochfs(words());
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(content_of(repository_), before);
  }
  void expect_things(const std::string& epoch, const std::string& count) const {
    const TemporaryDirectory work;
    const std::string file = work / "restored.grafeo";
    const ProcessResult result =
        node({"live.mjs", file, "restore:" + repository_ + ":" + epoch, "count"});
    EXPECT_EQ(result.out, count + "\n") << result.err;
  }

  // Every file with its bytes; the lock of the writer is none of them.
  static std::map<std::string, std::string> content_of(const std::string& directory) {
    std::map<std::string, std::string> files;
    if (!std::filesystem::exists(directory)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      if (entry.is_regular_file() && entry.path().filename() != ".lock")
        files[entry.path()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
  }

  void SetUp() override {
    RealGrafeoTest::SetUp();
    std::filesystem::create_directory(path("live"));
  }

  std::string database_ = path("live") + "/shop.grafeo";
  std::string log_ = database_ + ".wal";
  std::string cursor_ = log_ + "/backup_cursor.meta";
  std::string repository_ = path("repo");
};

TEST_F(RealGrafeoWritingTest, EndsWithTheEpoch) {
  live({"commit:2", "checkpoint", "commit:3", "crash"});
  const ProcessResult result = epochfs(words());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(
      result.out.starts_with("full and incremental backup of shop: 4 new epochs (2 to 5)\n"))
      << result.out;
  EXPECT_TRUE(result.out.ends_with("\nepoch 5\n")) << result.out;
  live({"commit:1", "close"});
  EXPECT_EQ(epochfs(words({"-q"})).out, "epoch 6\n");
  expect_things("3", "3");
  expect_things("6", "6");
}

TEST_F(RealGrafeoWritingTest, AnswersInJson) {
  live({"commit:2", "close"});
  const auto report = back_up();
  EXPECT_EQ(report.at("engine"), "grafeo");
  EXPECT_EQ(report.at("database"), "shop");
  EXPECT_EQ(report.at("kind"), "full");
  EXPECT_EQ(report.at("epoch"), 2);
  EXPECT_EQ(report.at("epochs_added"), 1);
  EXPECT_GT(report.at("bytes_stored"), 12288);
  EXPECT_EQ(report.at("reason"), "first backup into this directory");
}

TEST_F(RealGrafeoWritingTest, TakesTheNewestCommitOfADatabaseThatIsOpen) {
  Process holder(
      {"node", script("live.mjs"), database_, "commit:2", "checkpoint", "commit:2", "hold"},
      of_the_engine());
  ASSERT_TRUE(holder.wait_for("holding"));
  EXPECT_EQ(back_up().at("epoch"), 4);
  expect_things("2", "2");
  expect_things("4", "4");
}

TEST_F(RealGrafeoWritingTest, SaysThatNothingChanged) {
  live({"commit:2", "close"});
  back_up();
  const auto before = content_of(path(""));
  EXPECT_EQ(epochfs(words()).out, "nothing changed\nepoch 2\n");
  EXPECT_EQ(content_of(path("")), before);
}

TEST_F(RealGrafeoWritingTest, StoresNothingInADryRun) {
  live({"commit:2", "checkpoint", "commit:1", "crash"});
  const auto before = content_of(path("live"));
  EXPECT_EQ(epochfs(words({"--dry-run", "-q"})).out, "dry run, nothing stored: would be epoch 3\n");
  EXPECT_FALSE(std::filesystem::exists(repository_));
  EXPECT_EQ(content_of(path("live")), before);
}

TEST_F(RealGrafeoWritingTest, LeavesTheDatabaseAsItWasButForTheCursor) {
  live({"commit:2", "checkpoint", "commit:3", "crash"});
  auto before = content_of(path("live"));
  back_up();
  auto after = content_of(path("live"));
  EXPECT_EQ(after.erase(cursor_), 1U);
  EXPECT_EQ(after, before);
}

TEST_F(RealGrafeoWritingTest, RepairsACursorThatStayedBehind) {
  live({"commit:2", "close"});
  back_up();
  const std::string right = content_of(log_)[cursor_];
  std::filesystem::remove(cursor_);
  EXPECT_EQ(back_up().at("kind"), "none");
  EXPECT_EQ(content_of(log_)[cursor_].substr(0, 20), right.substr(0, 20));
}

TEST_F(RealGrafeoWritingTest, TakesAFullWhereTheLogBeganAnew) {
  live({"commit:2", "close"});
  back_up();
  std::filesystem::remove_all(log_);  // and with it what makes Grafeo keep it
  live({"commit:2", "close"});
  const auto report = back_up();
  EXPECT_EQ(report.at("kind"), "full");
  EXPECT_EQ(report.at("epoch"), 4);
  EXPECT_EQ(report.at("reason"), "the log no longer reaches back to the last backup");
}

TEST_F(RealGrafeoWritingTest, TakesAFullWhereASegmentIsMissing) {
  live({"commit:2", "close"});
  back_up();
  std::filesystem::remove(repository_ + "/backup_full_0000.grafeo");
  const auto report = back_up();
  EXPECT_TRUE(report.at("wrote_full"));
  expect_things("2", "2");
}

TEST_F(RealGrafeoWritingTest, TakesAFullWhenAskedOnceTheImageIsNew) {
  live({"commit:2", "close"});
  back_up();
  EXPECT_EQ(back_up({"--full"}).at("kind"), "none");
  live({"commit:2", "close"});
  const auto report = back_up({"--full"});
  EXPECT_EQ(report.at("kind"), "full");
  EXPECT_EQ(report.at("epochs_added"), 1);
  live({"commit:2", "crash"});
  const auto refused = back_up({"--full"});
  EXPECT_EQ(refused.at("kind"), "incremental");
  EXPECT_TRUE(refused.at("reason").get<std::string>().starts_with("no new full: the image is of"));
}

// Grafeo wants its own incrementals to begin where a segment of its log does.
TEST_F(RealGrafeoWritingTest, IsContinuedByGrafeoWhenTheLogWasClosed) {
  live({"commit:2", "close"});
  back_up();
  live({"commit:2", "incremental:" + repository_, "close"});
  expect_things("3", "3");
  expect_things("4", "4");
}

TEST_F(RealGrafeoWritingTest, MakesGrafeoAskForAFullWhenTheLogWasOpen) {
  live({"commit:2", "crash"});
  back_up();
  const ProcessResult refused =
      node({"live.mjs", database_, "commit:1", "incremental:" + repository_});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.err.find("where the last backup ended"), std::string::npos) << refused.err;
  EXPECT_EQ(back_up().at("kind"), "incremental");
  expect_things("3", "3");
}

TEST_F(RealGrafeoWritingTest, GivesALogDirectoryThatItMakesToTheOwnerOfTheDatabase) {
  const uid_t owner = ::geteuid() == 0 ? kNobody : ::geteuid();  // only root can act for others
  live({"commit:2", "close"});
  ASSERT_EQ(::chown(database_.c_str(), owner, static_cast<gid_t>(-1)), 0);
  back_up();
  struct stat status {};
  ASSERT_EQ(::stat(log_.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, owner);
}

TEST_F(RealGrafeoWritingTest, ExitsElevenWhenAnotherWriterIsAtWork) {
  live({"commit:2", "close"});
  back_up();
  const UniqueFd other(::open((repository_ + "/.lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  expect_refused(11, "--wait");
}

TEST_F(RealGrafeoWritingTest, RefusesTheOtherGeneration) {
  live({"commit:2", "close"});
  const ProcessResult result = epochfs({"backup", database_, repository_, "--format", "grafeo-v1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("--format grafeo-v2"), std::string::npos) << result.err;
  EXPECT_FALSE(std::filesystem::exists(repository_));
}

TEST_F(RealGrafeoWritingTest, RefusesFormatsThatItDoesNotKnow) {
  const ProcessResult result = epochfs({"backup", database_, repository_, "--format", "grafeo-v3"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("grafeo-v1, grafeo-v2"), std::string::npos) << result.err;
}

TEST_F(RealGrafeoWritingTest, RefusesADirectoryOfAnotherDatabase) {
  live_at(path("live") + "/other.grafeo", {"commit:1", "full:" + repository_, "close"});
  live({"commit:3", "close"});
  expect_refused(2, "another database");
}

TEST_F(RealGrafeoWritingTest, RefusesARepositoryOfItsOwn) {
  live({"commit:2", "close"});
  must({"init", repository_});
  expect_refused(2, "repository of epochfs");
}

TEST_F(RealGrafeoWritingTest, RefusesADatabaseThatWentBackInTime) {
  live({"commit:2", "full:" + repository_, "commit:4", "incremental:" + repository_, "close"});
  std::filesystem::remove_all(path("live"));
  std::filesystem::create_directory(path("live"));
  live({"restore:" + repository_ + ":4"});
  expect_refused(2, "must have been replaced");
}

// The same identity, the same positions, other transactions.
TEST_F(RealGrafeoWritingTest, RefusesADatabaseWithAnotherHistory) {
  live({"commit:2", "full:" + repository_, "close"});
  std::filesystem::copy(path("live"), path("fork"), std::filesystem::copy_options::recursive);
  live({"commit:2", "crash"});
  back_up();
  live_at(path("fork") + "/shop.grafeo", {"commit:3", "crash"});
  database_ = path("fork") + "/shop.grafeo";
  expect_refused(2, "another history");
}

TEST_F(RealGrafeoWritingTest, ReportsADamagedImage) {
  live({"commit:2", "close"});
  {
    std::fstream image(database_, std::ios::binary | std::ios::in | std::ios::out);
    image.seekp(4096);
    image.write("damage", 6);
    image.seekp(8192);
    image.write("damage", 6);
  }
  expect_refused(4, "shop.grafeo");
}

TEST_F(RealGrafeoWritingTest, ReportsADamagedLog) {
  live({"commit:2", "checkpoint", "commit:4", "crash"});
  for (const auto& file : std::filesystem::directory_iterator(log_)) {
    std::fstream segment(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    segment.seekp(128 + 40);
    segment.write("damage", 6);
  }
  expect_refused(4, "check the database with Grafeo");
}

TEST_F(RealGrafeoWritingTest, RefusesADatabaseWhoseCursorItCouldNotWrite) {
  live({"commit:2", "close"});
  std::filesystem::permissions(path("live"), std::filesystem::perms(0555));
  std::filesystem::create_directory(repository_);
  std::filesystem::permissions(repository_, std::filesystem::perms(0777));
  std::vector<std::string> command = {EPOCHFS_COMMAND};
  if (::geteuid() == 0)  // who can write everywhere
    command.insert(command.begin(),
                   {"setpriv", fmt::format("--reuid={}", kNobody), "--clear-groups"});
  for (const std::string& word : words()) command.push_back(word);
  const ProcessResult result = run(command, {.environment = {{"EPOCHFS_CACHE_DIR", path("none")}}});
  EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
  EXPECT_NE(result.err.find("not writable"), std::string::npos) << result.err;
  EXPECT_TRUE(content_of(repository_).empty());
  std::filesystem::permissions(path("live"), std::filesystem::perms(0755));
}

class RealGrafeoV1WritingTest : public RealGrafeoWritingTest {
 protected:
  void SetUp() override {
    RealGrafeoWritingTest::SetUp();
    if (IsSkipped()) return;
    make("written-v1");
    database_ = path("written-v1") + "/live/shop.grafeo";
    repository_ = path("written-v1") + "/repo";
    log_ = database_ + ".wal";
    words_ = {"backup", database_, repository_, "--format", "grafeo-v1"};
  }
  std::vector<std::string> words_;
};

TEST_F(RealGrafeoV1WritingTest, SaysThatNothingChanged) {
  const auto before = content_of(path("written-v1"));
  const ProcessResult result = epochfs(words_);
  EXPECT_TRUE(result.out.starts_with("nothing changed\nepoch ")) << result.out << result.err;
  EXPECT_EQ(content_of(path("written-v1")), before);
}

TEST_F(RealGrafeoV1WritingTest, RefusesADatabaseThatIsOpen) {
  const UniqueFd writer(::open(database_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
  const ProcessResult result = epochfs(words_);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("open for writing"), std::string::npos) << result.err;
}

TEST_F(RealGrafeoV1WritingTest, RefusesALogThatDoesNotContinueTheImage) {
  std::filesystem::remove_all(repository_);
  // Without its first epoch the log begins in the middle.
  const std::string file = log_ + "/wal_00000000.log";
  const std::string whole = content_of(log_)[file];
  engine::grafeo::V1Scanner scanner;
  std::vector<engine::grafeo::V1EpochAdvance> epochs;
  scanner.push(engine::as_bytes(whole), epochs);
  ASSERT_GT(epochs.size(), 1U);
  std::ofstream(file, std::ios::binary) << whole.substr(epochs.front().end);
  const ProcessResult result = epochfs(words_);
  EXPECT_EQ(result.exit_code, 13) << result.out << result.err;
  EXPECT_NE(result.err.find("goes on with epoch"), std::string::npos) << result.err;
  EXPECT_EQ(content_of(repository_).size(), 0U);
}

TEST_F(RealGrafeoV1WritingTest, RefusesADirectoryThatTheNextGenerationContinued) {
  live_at(path("live") + "/new.grafeo", {"commit:1", "full:" + repository_, "close"});
  const ProcessResult result = epochfs(words_);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("choose another directory"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace epochfs::test
