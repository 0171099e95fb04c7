// The command on a repository in a bucket: everything that works in a directory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include "tests/s3/killed_writer.h"
#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/process.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

// Writers are killed after 0, 1, 2, … requests.
constexpr int kDeaths = 14;
constexpr int kKilled = 128 + SIGKILL;

class S3RepositoryTest : public RealS3Test {
 protected:
  [[nodiscard]] ProcessOptions options(int by_port = 0) const {
    ProcessOptions options{.environment = RealS3::environment(by_port)};
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
    return options;
  }
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words, int by_port = 0) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    return run(words, options(by_port));
  }
  [[nodiscard]] ProcessResult epochfs_killed_after(int answered,
                                                   std::vector<std::string> words) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    return killed_after(answered, words, options());
  }
  std::string must(const std::vector<std::string>& words) const {
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, 0) << words.front() << ": " << result.out << result.err;
    return result.out;
  }
  // One more transaction in the database, and a copy of it to compare with.
  void commit(int number) const {
    const ProcessResult result = run(
        {"sqlite3", database_,
         "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t(a INTEGER, b BLOB);"
         "INSERT INTO t VALUES(random(), randomblob(20000)); PRAGMA wal_checkpoint(TRUNCATE);"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    files::copy_file(database_, copy(number));
  }
  [[nodiscard]] std::string copy(int number) const {
    return directory_ / fmt::format("copy-{}", number);
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const TemporaryDirectory directory_;
  const std::string database_ = directory_ / "app.db";
  const std::string repository_ = fmt::format("s3://{}/{}", RealS3::kBucket, prefix_);
};

TEST_F(S3RepositoryTest, BacksUpAndGivesBackEveryEpoch) {
  for (int number = 1; number <= 3; ++number) {
    commit(number);
    const std::string said = must({"backup", database_, repository_});
    EXPECT_NE(said.find(fmt::format("epoch {}\n", number)), std::string::npos) << said;
  }
  for (int number = 1; number <= 3; ++number) {
    const std::string restored = directory_ / fmt::format("restored-{}", number);
    must({"restore", fmt::format("{}@{}", repository_, number), restored});
    EXPECT_TRUE(content(restored) == content(copy(number))) << "epoch " << number;
  }
  EXPECT_NE(must({"verify", repository_}).find("sound: 1 database, 3 segments, 3 epochs"),
            std::string::npos);
  must({"log", repository_});
  must({"info", repository_});
  must({"diff", repository_ + "@1..3"});
  files::remove_all(directory_ / "cache");
  must({"log", repository_ + "/"});
}

TEST_F(S3RepositoryTest, IsMounted) {
  if (!files::exists("/dev/fuse")) GTEST_SKIP() << "SKIPPED: there is no /dev/fuse";
  commit(1);
  must({"backup", database_, repository_});
  const std::string mount_point = directory_ / "mnt";
  files::create_directory(mount_point);
  must({"mount", repository_, mount_point});
  EXPECT_TRUE(content(mount_point + "/app/epochs/1/app.db") == content(copy(1)));
  commit(2);
  must({"backup", database_, repository_});
  const std::string newest = mount_point + "/app/epochs/2/app.db";
  for (int tries = 0; tries < 300 && !files::exists(newest); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(content(newest) == content(copy(2)));
  EXPECT_TRUE(content(mount_point + "/app/epochs/1/app.db") == content(copy(1)));
  must({"umount", mount_point});
}

TEST_F(S3RepositoryTest, BeginsAnewAfterALostRaceWhenItIsToWait) {
  commit(1);
  must({"backup", database_, repository_});
  commit(2);
  FaultyProxy proxy(RealS3::port());
  ProxyPlan faster{.fault = ProxyFault::kAnswer,
                   .method = "PUT",
                   .target = "manifest.json",
                   .times = 1'000,
                   .answer = "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"};
  proxy.fail(faster);
  const ProcessResult lost = epochfs({"backup", database_, repository_}, proxy.port());
  EXPECT_EQ(lost.exit_code, 11) << lost.out << lost.err;
  EXPECT_NE(lost.err.find("--wait"), std::string::npos) << lost.err;
  faster.times = 3;
  proxy.fail(faster);
  const ProcessResult done = epochfs({"backup", "--wait", database_, repository_}, proxy.port());
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const std::string other = repository_ + "-copy";
  proxy.fail(faster);
  const ProcessResult copied = epochfs({"copy", "--wait", repository_, other}, proxy.port());
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
  for (const std::string& place : {repository_, other}) {
    const std::string sound = "sound: 1 database, 2 segments, 2 epochs";
    EXPECT_NE(must({"verify", place}).find(sound), std::string::npos);
  }
}

// No lock keeps them apart: one replaces the manifest, the other is told that it lost. Whoever is
// killed has stored an epoch or has not; none is there twice and none that was told is missing.
TEST_F(S3RepositoryTest, LosesNothingToTwoWritersOfWhomSomeAreKilled) {
  const std::size_t rounds = 200 / one_of_many_under_sanitizers(10);
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  std::vector<std::string> stored;  // what epoch 1, 2, … must give back
  int lost = 0;
  int killed = 0;
  for (std::size_t round = 1; round <= rounds && !HasFailure(); ++round) {
    const std::string live = directory_ / "live.txt";
    const std::string text = fmt::format("state {} of {}\n", round, seed);
    std::ofstream(live) << text;
    // Between them and the server, so that nothing of a dead one is still under way when it is
    // gone.
    std::optional<FaultyProxy> proxy(RealS3::port());
    std::vector<std::unique_ptr<Process>> writers;
    for (const char* cache : {"a", "b"})
      writers.push_back(std::make_unique<Process>(
          std::vector<std::string>{EPOCHFS_COMMAND, "backup", live, repository_, "--cache-dir",
                                   directory_ / cache},
          ProcessOptions{.environment = RealS3::environment(proxy->port())}));
    if (random() % 2 == 0) {
      Process& victim = *writers[random() % 2];
      victim.ends_within(std::chrono::milliseconds(random() % 150));
      victim.signal(SIGKILL);
    }
    bool told = false;
    for (const auto& writer : writers) {
      const ProcessResult result = writer->wait();
      EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 11 || result.exit_code == 137)
          << round << ": " << result.exit_code << result.out << result.err;
      told = told || result.out.find("epoch ") != std::string::npos;
      lost += result.exit_code == 11 ? 1 : 0;
      killed += result.exit_code == 137 ? 1 : 0;
    }
    writers.clear();
    proxy.reset();
    const ProcessResult log = epochfs({"log", repository_, "-q"});
    const auto epochs = static_cast<std::size_t>(std::ranges::count(log.out, '\n'));
    ASSERT_TRUE(epochs == stored.size() || epochs == stored.size() + 1) << round << log.out;
    if (epochs == stored.size() + 1) stored.push_back(text);
    if (told) {
      EXPECT_EQ(stored.empty() ? "" : stored.back(), text) << round;
    }
  }
  std::cout << rounds << " rounds: " << lost << " writers lost, " << killed << " were killed, "
            << stored.size() << " epochs\n";
  EXPECT_NE(must({"verify", repository_}).find(fmt::format("{} epochs", stored.size())),
            std::string::npos);
  for (std::size_t epoch = 1; epoch <= stored.size(); ++epoch)
    EXPECT_EQ(must({"restore", fmt::format("{}@{}", repository_, epoch), "-"}), stored[epoch - 1]);
}

TEST_F(S3RepositoryTest, EndsWith14WhenTheStoreIsAwayOrRefuses) {
  commit(1);
  must({"backup", database_, repository_});
  FaultyProxy proxy(RealS3::port());
  proxy.fail({.fault = ProxyFault::kAnswer,
              .times = 1'000'000,
              .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"log", repository_},
        {"info", repository_},
        {"backup", database_, repository_},
        {"restore", repository_, directory_ / "restored"}}) {
    const ProcessResult refused = epochfs(words, proxy.port());
    EXPECT_EQ(refused.exit_code, 14) << words.front() << ": " << refused.out << refused.err;
    EXPECT_NE(refused.err.find("HTTP 403"), std::string::npos) << refused.err;
  }
  EXPECT_FALSE(files::exists(directory_ / "restored"));
  const int closed = [] { return FaultyProxy(RealS3::port()).port(); }();
  EXPECT_EQ(epochfs({"log", repository_}, closed).exit_code, 14);
  must({"verify", repository_});
}

// What the index is told it remembers.
TEST_F(S3RepositoryTest, RemembersNoAnswerThatWasDamagedOnItsWay) {
  constexpr int kEpochs = 3;
  for (int number = 1; number <= kEpochs; ++number) {
    commit(number);
    must({"backup", database_, repository_});
  }
  FaultyProxy proxy(RealS3::port());
  const auto epochs = [&] {
    const ProcessResult log = epochfs({"log", repository_, "--json"}, proxy.port());
    EXPECT_EQ(log.exit_code, 0) << log.err;
    return std::count(log.out.begin(), log.out.end(), '\n');
  };
  for (int number = 0; number < kEpochs; ++number) {
    files::remove_all(directory_ / "cache");
    proxy.fail({.fault = ProxyFault::kCorrupt, .method = "GET", .target = ".db.", .after = number});
    EXPECT_EQ(epochs(), kEpochs) << number;
  }
}

TEST_F(S3RepositoryTest, HidesNoDatabaseThatCannotBeLookedAt) {
  commit(1);
  must({"backup", database_, repository_});
  FaultyProxy proxy(RealS3::port());
  const auto with_no_look_at = [&](const std::string& object, std::vector<std::string> words) {
    proxy.fail({.fault = ProxyFault::kAnswer,
                .method = "HEAD",
                .target = object,
                .times = 1'000,
                .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
    return epochfs(std::move(words), proxy.port());
  };
  const std::string manifest = "app/manifest.json";
  const ProcessResult verified = with_no_look_at(manifest, {"verify", repository_});
  EXPECT_TRUE(verified.exit_code != 0 ||
              verified.out.find("sound: 1 database") != std::string::npos)
      << verified.out << verified.err;
  const ProcessResult told = with_no_look_at(manifest, {"info", repository_});
  EXPECT_TRUE(told.exit_code != 0 || told.out.find("app") != std::string::npos)
      << told.out << told.err;
  commit(2);
  const ProcessResult done = with_no_look_at(manifest, {"backup", database_, repository_});
  EXPECT_EQ(done.exit_code, 14) << done.out << done.err;
  const ProcessResult elsewhere =
      with_no_look_at("epochfs.json", {"backup", database_, repository_, "--format", "zlayer"});
  EXPECT_EQ(elsewhere.exit_code, 14) << elsewhere.out << elsewhere.err;
}

TEST_F(S3RepositoryTest, IsCopiedBothWays) {
  const std::string local = directory_ / "local";
  const std::string back = directory_ / "back";
  for (int number = 1; number <= 3; ++number) {
    commit(number);
    must({"backup", database_, local});
    const std::string there = must({"copy", local, repository_});
    EXPECT_NE(there.find("copied 1 of "), std::string::npos) << there;
    const std::string here = must({"copy", repository_, back});
    EXPECT_NE(here.find("copied 1 of "), std::string::npos) << here;
    EXPECT_NE(must({"copy", repository_, back}).find("copied 0 of "), std::string::npos);
  }
  for (const std::string& place : {repository_, back}) {
    EXPECT_NE(must({"verify", place}).find("sound: 1 database, 3 segments, 3 epochs"),
              std::string::npos);
    files::remove(directory_ / "restored");
    must({"restore", place + "@2", directory_ / "restored"});
    EXPECT_TRUE(content(directory_ / "restored") == content(copy(2)));
  }
  commit(4);
  must({"backup", database_, repository_});
  EXPECT_EQ(epochfs({"copy", local, repository_}).exit_code, 1);
  must({"copy", repository_, local});
  must({"restore", local + "@4", directory_ / "newest"});
  EXPECT_TRUE(content(directory_ / "newest") == content(copy(4)));
}

// Killed at any time: what is in the bucket is no history or a whole one, and the next copy goes
// on.
TEST_F(S3RepositoryTest, IsWholeOrNotThereWhenACopyDies) {
  const std::string local = directory_ / "local";
  for (int number = 1; number <= 4; ++number) {
    commit(number);
    must({"backup", database_, local});
  }
  int killed = 0;
  for (int round = 0; round < kDeaths; round += kEachDeath) {
    const std::string place = fmt::format("{}/{}", repository_, round);
    killed += epochfs_killed_after(round, {"copy", local, place}).exit_code == kKilled ? 1 : 0;
    const ProcessResult verified = epochfs({"verify", place});
    EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 10) << verified.out;
    must({"copy", local, place});
    EXPECT_NE(must({"verify", place}).find("sound: 1 database, 4 segments, 4 epochs"),
              std::string::npos);
  }
  EXPECT_GE(killed, kDeaths / kEachDeath);
}

// Killed when it has sent so many requests: the history is the old one or the new one, and the next
// backup needs no human.
TEST_F(S3RepositoryTest, KeepsTheOldOrTheNewHistoryWhenABackupDies) {
  int killed = 0;
  for (const bool first : {true, false}) {
    for (int round = 0; round < kDeaths; round += kEachDeath) {
      const std::string place = fmt::format("{}/{}-{}", repository_, first, round);
      const std::string live = directory_ / "live.txt";
      std::ofstream(live) << "old";
      if (!first) must({"backup", live, place});
      std::ofstream(live) << "new";
      const ProcessResult ended = epochfs_killed_after(round, {"backup", live, place});
      killed += ended.exit_code == kKilled ? 1 : 0;
      const ProcessResult verified = epochfs({"verify", place});
      EXPECT_TRUE(verified.exit_code == 0 || (first && verified.exit_code == 10)) << verified.out;
      if (ended.out.find("epoch ") != std::string::npos) {
        EXPECT_EQ(must({"restore", place, "-"}), "new");
      }
      must({"backup", live, place});
      EXPECT_EQ(must({"restore", place, "-"}), "new");
      if (!first) {
        EXPECT_EQ(must({"restore", place + "@1", "-"}), "old");
      }
    }
  }
  EXPECT_GE(killed, 2 * (kDeaths / kEachDeath));
}

// A sample of what tests/repo does to each byte of a repository in a directory.
TEST_F(S3RepositoryTest, IsNeverReadWrongWhenAByteOfAnObjectFlips) {
  for (int number = 1; number <= 3; ++number) {
    commit(number);
    must({"backup", database_, repository_});
  }
  const auto storage = engine::make_s3_storage(RealS3::settings(prefix_));
  const auto listing = storage->list("app");
  ASSERT_TRUE(listing) << listing.error().text;
  constexpr int kPlaces = 5;
  for (const engine::ObjectInfo& object : listing->objects) {
    if (object.name == "cursor.json") continue;  // a hint
    const std::string name = "app/" + object.name;
    const auto good = storage->get(name, object.size_bytes);
    ASSERT_TRUE(good) << good.error().text;
    for (int place = 0; place < kPlaces; ++place) {
      engine::Bytes bad = good->bytes;
      bad[(2 * place + 1) * bad.size() / (2 * kPlaces)] ^= std::byte{0x40};
      ASSERT_TRUE(storage->replace(name, bad, storage->stat(name)->version));
      SCOPED_TRACE(fmt::format("{} place {}", name, place));
      EXPECT_EQ(epochfs({"verify", repository_}).exit_code, 4);
      for (const int epoch : {1, 3}) {
        const std::string out = directory_ / "restored";
        files::remove(out);
        const ProcessResult restored =
            epochfs({"restore", fmt::format("{}@{}", repository_, epoch), out});
        EXPECT_EQ(files::exists(out), restored.exit_code == 0);
        if (restored.exit_code == 0) {
          EXPECT_TRUE(content(out) == content(copy(epoch)));
        }
      }
    }
    ASSERT_TRUE(storage->replace(name, good->bytes, storage->stat(name)->version));
  }
  must({"verify", repository_});
}

TEST_F(S3RepositoryTest, IsFoundWhereTheCommandIsTold) {
  commit(1);
  must({"backup", database_, repository_});
  const int closed = [] { return FaultyProxy(RealS3::port()).port(); }();
  const std::string url = fmt::format("http://127.0.0.1:{}", RealS3::port());
  const ProcessResult log = epochfs({"log", repository_, "--endpoint-url", url}, closed);
  EXPECT_EQ(log.exit_code, 0) << log.err;
  const ProcessResult wrong = epochfs({"log", repository_, "--endpoint-url", "nowhere"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("--endpoint-url"), std::string::npos) << wrong.err;
}

// Beside one for each segment that the index does not know: identity, names (two), cursor,
// manifest, and whether that is still the newest.
TEST_F(S3RepositoryTest, IsOpenedWithOneRequestForEachSegment) {
  constexpr int kSegments = 25;
  for (int number = 1; number <= kSegments; ++number) {
    commit(number);
    must({"backup", database_, repository_});
  }
  FaultyProxy proxy(RealS3::port());  // the same for both: an index is of one store
  for (const bool known : {false, true}) {
    const int before = proxy.requests();
    const ProcessResult log =
        epochfs({"log", repository_, "--cache-dir", directory_ / "another"}, proxy.port());
    EXPECT_EQ(log.exit_code, 0) << log.err;
    EXPECT_EQ(std::ranges::count(log.out, '\n'), kSegments);
    EXPECT_LE(proxy.requests() - before, known ? 5 : kSegments + 6) << proxy.heads();
  }
}

// A mount whose requests to the store are counted, by itself and by a proxy.
class S3MountTest : public S3RepositoryTest {
 protected:
  void SetUp() override {
    S3RepositoryTest::SetUp();
    if (IsSkipped()) return;
    if (!files::exists("/dev/fuse")) GTEST_SKIP() << "SKIPPED: there is no /dev/fuse";
    files::create_directory(mount_point_);
    proxy_.emplace(RealS3::port());
  }
  void TearDown() override {
    if (is_mounted_) must({"umount", mount_point_});
  }
  void mount(std::vector<std::string> options = {}) {
    std::vector<std::string> words = {"mount", repository_, mount_point_};
    words.insert(words.end(), options.begin(), options.end());
    const ProcessResult result = epochfs(words, proxy_->port());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    is_mounted_ = true;
  }
  void unmount() {
    must({"umount", mount_point_});
    is_mounted_ = false;
  }
  // A number of status.json, by its group and name.
  [[nodiscard]] std::uint64_t status(const std::string& group, const std::string& name) const {
    const std::string text = content(mount_point_ + "/app/.epochfs/status.json");
    const std::size_t in = text.find("\"" + group + "\": {");
    const std::size_t at = text.find("\"" + name + "\": ", in);
    EXPECT_TRUE(in != std::string::npos && at != std::string::npos) << group << name << text;
    return std::stoull(text.substr(at + name.size() + 4));
  }
  [[nodiscard]] std::string in_epoch(int number) const {
    return fmt::format("{}/app/epochs/{}/app.db", mount_point_, number);
  }

  const std::string mount_point_ = directory_ / "mnt";
  std::optional<FaultyProxy> proxy_;
  bool is_mounted_ = false;
};

TEST_F(S3MountTest, AnswersAFirstQueryWithThreeRequestsAndOneForEachBlock) {
  for (int number = 1; number <= 3; ++number) {
    for (int more = 0; more < 5; ++more) commit(100 * number + more);
    must({"backup", database_, repository_});
  }
  // What is in the index then is known.
  ASSERT_EQ(epochfs({"log", repository_}, proxy_->port()).exit_code, 0);
  const auto begin = std::chrono::steady_clock::now();
  mount();
  const ProcessResult answer = run({"sqlite3", in_epoch(2), "SELECT count(*), max(a) FROM t"});
  ASSERT_EQ(answer.exit_code, 0) << answer.err;
  const std::uint64_t blocks = status("cache", "misses");
  EXPECT_GT(blocks, 0U);
  EXPECT_LE(status("store", "gets"), 3 + blocks) << proxy_->heads();
  // It looks for news once a second at most.
  const std::uint64_t heads = status("store", "heads");
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_LE(heads, 3 + 3 * static_cast<std::uint64_t>(seconds)) << proxy_->heads();
  EXPECT_EQ(status("store", "puts"), 0U);
  EXPECT_GT(status("store", "bytes_received"), 0U);
}

TEST_F(S3MountTest, FetchesWhatLiesTogetherTogether) {
  for (int number = 1; number <= 150; ++number) commit(number);
  must({"backup", database_, repository_});
  mount();
  const std::string image = content(copy(150));
  EXPECT_TRUE(content(in_epoch(1)) == image);
  // It cannot be compressed, and is in blocks of 64 KiB at most.
  const std::uint64_t blocks = image.size() / (64 * 1024);
  EXPECT_GE(blocks, 45U);
  EXPECT_LE(status("store", "gets"), 3 + blocks / 2);
}

// The store dies in the middle of a copy, and comes back.
TEST_F(S3MountTest, FailsInTimeWhenTheStoreIsAwayAndServesAgainLater) {
  for (int number = 1; number <= 150; ++number) commit(number);
  must({"backup", database_, repository_});
  for (const char* options : {"cache=1M", "cache=1M,disk_cache=8M"}) {
    mount({"-o", options});
    const std::string out = directory_ / "out";
    // One request fetches 2 MiB at most, which is not the whole.
    proxy_->fail({.fault = ProxyFault::kDrop, .method = "GET", .after = 1, .times = 1'000'000});
    const ProcessResult failed = run({"cp", in_epoch(1), out});
    EXPECT_FALSE(failed.timed_out);
    EXPECT_NE(failed.exit_code, 0);
    EXPECT_NE(failed.err.find("Input/output error"), std::string::npos) << failed.err;
    proxy_->fail({.times = 0});
    const ProcessResult copied = run({"cp", in_epoch(1), out});
    EXPECT_EQ(copied.exit_code, 0) << copied.err;
    EXPECT_TRUE(content(out) == content(copy(150)));
    unmount();
  }
}

TEST_F(S3MountTest, ServesWhatWasDamagedOnItsWay) {
  for (int number = 1; number <= 150; ++number) commit(number);
  must({"backup", database_, repository_});
  const ProxyPlan plan{.fault = ProxyFault::kCorrupt, .method = "GET", .target = ".db."};
  for (const char* options : {"cache=1M", "cache=1M,disk_cache=64M"}) {
    for (const int before : {0, 1}) {
      files::remove_all(directory_ / "cache");
      mount({"-o", options});
      ProxyPlan damage = plan;
      damage.after = before;
      proxy_->fail(damage);
      EXPECT_TRUE(content(in_epoch(1)) == content(copy(150))) << options << ", " << before;
      unmount();
    }
  }
  const std::string out = directory_ / "out";
  proxy_->fail(plan);
  const ProcessResult restored = epochfs({"restore", repository_, out}, proxy_->port());
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_TRUE(content(out) == content(copy(150)));
}

TEST_F(S3MountTest, ReadsNothingTwiceWithACacheOnDisk) {
  for (int number = 1; number <= 20; ++number) commit(number);
  must({"backup", database_, repository_});
  for (const bool again : {false, true}) {
    mount({"-o", "disk_cache=64M"});
    EXPECT_TRUE(content(in_epoch(1)) == content(copy(20)));
    EXPECT_GT(status("cache", again ? "disk_hits" : "disk_misses"), 0U);
    if (again) {
      EXPECT_LE(status("store", "gets"), 3U);
      EXPECT_EQ(status("cache", "disk_misses"), 0U);
    }
    unmount();
  }
}

TEST_F(S3MountTest, AsksTheStoreForNewsOnceASecondAtMost) {
  commit(1);
  must({"backup", database_, repository_});
  mount();
  EXPECT_EQ(content(in_epoch(1)), content(copy(1)));
  const int before = proxy_->requests();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2'000; ++i) {
    EXPECT_TRUE(files::exists(mount_point_ + "/app/latest/app.db"));
    EXPECT_FALSE(files::exists(mount_point_ + "/nobody"));
    EXPECT_FALSE(files::exists(mount_point_ + "/app/epochs/7"));
    for (const auto& entry : files::directory_iterator(mount_point_))
      EXPECT_EQ(entry.path().filename(), "app");
  }
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  // Manifest and cursor; the names and whether each is a database; a name that nobody has.
  constexpr int kRequestsOfALook = 2 + 2 + 3;
  EXPECT_LE(proxy_->requests() - before, (seconds + 1) * kRequestsOfALook) << seconds << " s";
}

TEST_F(S3RepositoryTest, IsToldFromAPlaceThatIsNone) {
  EXPECT_EQ(epochfs({"log", repository_}).exit_code, 10);
  EXPECT_EQ(epochfs({"log", "s3://"}).exit_code, 2);
}

}  // namespace
}  // namespace epochfs::test
