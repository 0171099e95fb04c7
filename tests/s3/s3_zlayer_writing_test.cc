// Backups in ZLayer's layout into a bucket: stores that go away, writers that die or meet.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <optional>
#include <vector>

#include "tests/s3/killed_writer.h"
#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/process.h"
#include "tests/support/sqlite_history.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class S3ZlayerWritingTest : public RealS3Test {
 protected:
  [[nodiscard]] ProcessOptions options(int by_port, const std::string& cache) const {
    ProcessOptions options{.environment = RealS3::environment(by_port)};
    options.environment["AWS_MAX_ATTEMPTS"] = "4";  // nobody comes back while it waits
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / cache;
    return options;
  }
  [[nodiscard]] std::vector<std::string> words() const {
    return {EPOCHFS_COMMAND, "backup", database_, place_, "--format", "zlayer"};
  }
  [[nodiscard]] ProcessResult back_up(const std::string& cache = "cache") const {
    const FaultyProxy way(RealS3::port(), port_);
    return run(words(), options(port_, cache));
  }
  // While nobody answers, and as the layout that is there already is named: not at all.
  [[nodiscard]] ProcessResult back_up_in_vain() const {
    return run({EPOCHFS_COMMAND, "backup", database_, place_}, options(port_, "cache"));
  }
  std::string must_back_up(const std::string& cache = "cache") const {
    const ProcessResult done = back_up(cache);
    EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
    return done.out;
  }
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> more) const {
    more.insert(more.begin(), EPOCHFS_COMMAND);
    return run(more, options(0, "reader"));
  }
  // What the original's restore makes of the objects; nullopt: there is no backup.
  [[nodiscard]] std::optional<std::string> restored_by_rule() const {
    const std::string objects = directory_ / "objects";
    files::remove_all(objects);
    const auto storage = engine::make_s3_storage(RealS3::settings(key_));
    for (const std::string directory : {"", "snapshots", "wal"}) {
      files::create_directories(objects + "/" + directory);
      const auto listing = storage->list(directory);
      if (!listing) continue;
      for (const auto& object : listing->objects) {
        const std::string name = directory.empty() ? object.name : directory + "/" + object.name;
        const auto content = storage->get(name, std::uint64_t{1} << 30U);
        EXPECT_TRUE(content) << name;
        if (content) write_file(objects + "/" + name, std::string(engine::as_text(content->bytes)));
      }
    }
    const std::string output = directory_ / "by-rule.db";
    files::remove(output);
    const std::string rule = EPOCHFS_SOURCE_DIR "/tests/zlayer/rule.py";
    const ProcessResult done = run({"python3", rule, objects, output, key_ + "/"});
    if (done.err == "no backup\n") return std::nullopt;
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return file_bytes(output);
  }
  [[nodiscard]] std::size_t epochs_listed() const {
    const ProcessResult log = epochfs({"log", place_, "--json"});
    EXPECT_TRUE(log.exit_code == 0 || log.exit_code == 10) << log.err;
    EXPECT_EQ(log.out.find("assumed"), std::string::npos) << log.out;
    return static_cast<std::size_t>(std::count(log.out.begin(), log.out.end(), '\n'));
  }
  [[nodiscard]] std::string restored(std::size_t epoch) const {
    const std::string output = directory_ / "restored.db";
    files::remove(output);
    const ProcessResult done = epochfs({"restore", fmt::format("{}@{}", place_, epoch), output});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return file_bytes(output);
  }
  void expect_every_moment(const SqliteHistory& history) const {
    const auto& moments = history.moments();
    ASSERT_EQ(epochs_listed(), moments.size());
    for (std::size_t i = 0; i < moments.size(); ++i)
      EXPECT_TRUE(restored(i + 1) == moments[i].image) << "epoch " << i + 1;
  }
  void use_place(const std::string& name) {
    key_ = fmt::format("{}/{}", prefix_, name);
    place_ = fmt::format("s3://{}/{}", RealS3::kBucket, key_);
  }

  const TemporaryDirectory directory_;
  const std::string database_ = directory_ / "app.db";
  std::string key_ = prefix_ + "/place";
  std::string place_ = fmt::format("s3://{}/{}", RealS3::kBucket, key_);
  // What a backup keeps is kept for the server by which it was told to go: always the same.
  const int port_ = FaultyProxy(RealS3::port()).port();
};

TEST_F(S3ZlayerWritingTest, StoresEveryTransaction) {
  SqliteHistory history(database_, 40);
  must_back_up();
  for (const std::size_t count : {3U, 1U, 2U}) {
    history.commit(count);
    const std::string said = must_back_up();
    EXPECT_NE(said.find(fmt::format("epoch {}\n", history.moments().size())), std::string::npos);
    EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  }
  expect_every_moment(history);
}

TEST_F(S3ZlayerWritingTest, KeepsWhatCannotBeSentUntilTheStoreIsBack) {
  SqliteHistory history(database_, 40);
  must_back_up();
  for (const std::size_t kept : {2U, 4U}) {
    history.commit(2);
    const ProcessResult away = back_up_in_vain();
    EXPECT_EQ(away.exit_code, 14) << away.err;
    EXPECT_NE(
        away.err.find(fmt::format("{} new epochs are kept in {}", kept, directory_ / "cache")),
        std::string::npos)
        << away.err;
  }
  history.checkpoint();  // what they were in may be overwritten from now on
  EXPECT_EQ(epochs_listed(), 1U);
  const std::string said = must_back_up();
  EXPECT_NE(said.find("4 new epochs (2 to 5)"), std::string::npos) << said;
  history.commit(2);
  must_back_up();
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  expect_every_moment(history);
}

TEST_F(S3ZlayerWritingTest, SaysWhatIsLostWhenThePlaceHasGoneOnWithoutIt) {
  SqliteHistory history(database_, 40);
  must_back_up();
  history.commit(2);
  ASSERT_EQ(back_up_in_vain().exit_code, 14);
  history.commit();
  must_back_up("another-machine");
  history.commit();
  const ProcessResult late = back_up();
  EXPECT_EQ(late.exit_code, 3) << late.err;
  EXPECT_NE(late.err.find("2 epochs that were kept in"), std::string::npos) << late.err;
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  EXPECT_TRUE(restored(epochs_listed()) == history.moments().back().image);
  EXPECT_NE(must_back_up().find("nothing changed"), std::string::npos);
}

TEST_F(S3ZlayerWritingTest, KeepsWhatItHasWhenTheNewestObjectCannotBeRead) {
  SqliteHistory history(database_, 40);
  must_back_up();
  history.commit(1);
  must_back_up();
  history.commit(2);
  ASSERT_EQ(back_up_in_vain().exit_code, 14);
  std::optional<FaultyProxy> proxy(std::in_place, RealS3::port(), port_);
  proxy->fail({.fault = ProxyFault::kAnswer,
               .method = "GET",
               .target = "/wal/",
               .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  const ProcessResult refused = run(words(), options(port_, "cache"));
  proxy.reset();
  EXPECT_NE(refused.exit_code, 0) << refused.err;
  EXPECT_NE(refused.err.find("HTTP 403"), std::string::npos) << refused.err;
  must_back_up();
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  expect_every_moment(history);
}

TEST_F(S3ZlayerWritingTest, SucceedsWhenTheAnswerOfTheLastRequestIsLost) {
  SqliteHistory history(database_, 40);
  FaultyProxy proxy(RealS3::port());
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    history.commit();
    proxy.fail({.fault = ProxyFault::kLoseAnswer, .method = "PUT", .target = "metadata.json"});
    std::vector<std::string> command = words();
    command.emplace_back("--full");
    const ProcessResult done = run(command, options(proxy.port(), "cache"));
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  }
}

TEST_F(S3ZlayerWritingTest, LeavesTheSnapshotThatCountsWhateverItIsTold) {
  const SqliteHistory history(database_, 40);
  FaultyProxy loses(RealS3::port());
  loses.fail({.fault = ProxyFault::kLoseAnswer, .method = "PUT", .target = "metadata.json"});
  FaultyProxy lies(loses.port());
  lies.fail({.fault = ProxyFault::kAnswer,
             .method = "HEAD",
             .target = "metadata.json",
             .times = 1'000,
             .answer = "HTTP/1.1 200 OK\r\nETag: \"other\"\r\nContent-Length: 1\r\n\r\n"});
  const ProcessResult told = run(words(), options(lies.port(), "cache"));
  EXPECT_EQ(told.exit_code, 11) << told.err;
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
}

TEST_F(S3ZlayerWritingTest, IsReadAgainWhereAnAnswerWasDamagedOnItsWay) {
  SqliteHistory history(database_, 10);
  must_back_up();
  history.commit(3);
  must_back_up();
  FaultyProxy proxy(RealS3::port());
  const auto epochs = [&] {
    const ProcessResult log =
        run({EPOCHFS_COMMAND, "log", place_, "--json"}, options(proxy.port(), "another"));
    return std::count(log.out.begin(), log.out.end(), '\n');
  };
  proxy.fail({.fault = ProxyFault::kCorrupt, .method = "GET", .target = "wal.zst", .times = 1'000});
  const auto less = epochs();
  proxy.fail({.times = 0});
  const auto all = epochs();
  EXPECT_EQ(static_cast<std::size_t>(all), epochs_listed());
  EXPECT_LT(less, all);
}

TEST_F(S3ZlayerWritingTest, NeedsNothingKeptForAFirstBackup) {
  const SqliteHistory history(database_, 10);
  const ProcessResult away = back_up_in_vain();
  EXPECT_EQ(away.exit_code, 14);
  EXPECT_EQ(away.err.find("kept"), std::string::npos) << away.err;
  must_back_up();
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
}

// Killed when it has sent so many requests.
TEST_F(S3ZlayerWritingTest, KeepsTheOldOrTheNewStateWhenABackupDies) {
  int killed = 0;
  for (const std::string what : {"first", "copy", "snapshot"}) {
    for (int round = 0; round < 12; round += kEachDeath) {
      SCOPED_TRACE(fmt::format("{}, request {}", what, round));
      use_place(fmt::format("{}-{}", what, round));
      files::remove(database_);
      SqliteHistory history(database_, 20);
      if (what != "first") {
        must_back_up();
        history.commit(2);
      }
      const auto& moments = history.moments();
      std::vector<std::string> command = words();
      if (what == "snapshot") command.emplace_back("--full");
      const ProcessResult ended = killed_after(round, command, options(port_, "cache"), port_);
      killed += ended.exit_code == 128 + SIGKILL ? 1 : 0;
      const bool is_acknowledged = ended.out.find("epoch ") != std::string::npos;
      const auto left = restored_by_rule();
      if (is_acknowledged || what != "first") {
        ASSERT_TRUE(left);
      }
      if (left) {
        EXPECT_TRUE(*left == moments.back().image ||
                    (!is_acknowledged && *left == moments.front().image));
      }
      must_back_up();
      EXPECT_TRUE(restored_by_rule() == moments.back().image);
      EXPECT_EQ(epochs_listed(), moments.size());
    }
  }
  EXPECT_GE(killed, 28 / kEachDeath);
}

TEST_F(S3ZlayerWritingTest, LosesNothingToTwoWriters) {
  SqliteHistory history(database_, 40);
  must_back_up();
  int lost = 0;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    history.commit();
    std::vector<std::string> command = words();
    if (round % 3 == 0) command.emplace_back("--full");
    const FaultyProxy way(RealS3::port(), port_);
    Process one(command, options(port_, "one"));
    Process other(words(), options(port_, "other"));
    int done = 0;
    for (Process* writer : {&one, &other}) {
      const ProcessResult ended = writer->wait();
      EXPECT_TRUE(ended.exit_code == 0 || ended.exit_code == 11 || ended.exit_code == 3)
          << ended.exit_code << ended.err;
      done += ended.exit_code == 11 ? 0 : 1;
    }
    lost += 2 - done;
    EXPECT_GE(done, 1);
    EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  }
  std::cout << lost << " of 24 writers were too late\n";
  must_back_up("one");
  expect_every_moment(history);
}

}  // namespace
}  // namespace epochfs::test
