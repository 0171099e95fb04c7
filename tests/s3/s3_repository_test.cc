// The command on a repository in a bucket: everything that works in a directory.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class S3RepositoryTest : public RealS3Test {
 protected:
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words, int by_port = 0) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    ProcessOptions options{.environment = RealS3::environment(by_port)};
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
    return run(words, options);
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
  EXPECT_TRUE(content(mount_point + "/app/epochs/2/app.db") == content(copy(2)));
  EXPECT_TRUE(content(mount_point + "/app/epochs/1/app.db") == content(copy(1)));
  must({"umount", mount_point});
}

// No lock keeps them apart: one replaces the manifest, the other is told that it lost.
TEST_F(S3RepositoryTest, LosesNothingToTwoWriters) {
  commit(0);
  must({"backup", database_, repository_});
  constexpr int kRounds = 3;
  int lost = 0;
  for (int round = 1; round <= kRounds; ++round) {
    commit(round);
    ProcessOptions options{.environment = RealS3::environment()};
    Process first(
        {EPOCHFS_COMMAND, "backup", database_, repository_, "--cache-dir", directory_ / "a"},
        options);
    Process second(
        {EPOCHFS_COMMAND, "backup", database_, repository_, "--cache-dir", directory_ / "b"},
        options);
    for (Process* writer : {&first, &second}) {
      const ProcessResult result = writer->wait();
      EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 11) << result.out << result.err;
      if (result.exit_code == 11) ++lost;
    }
    const std::string restored = directory_ / fmt::format("restored-{}", round);
    must({"restore", fmt::format("{}@{}", repository_, round + 1), restored});
    EXPECT_TRUE(content(restored) == content(copy(round))) << "round " << round;
  }
  std::cout << lost << " of " << 2 * kRounds << " backups lost a race\n";
  const ProcessResult verified = epochfs({"verify", repository_});
  EXPECT_TRUE(verified.exit_code == 0 || verified.exit_code == 3) << verified.out << verified.err;
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

TEST_F(S3RepositoryTest, IsToldFromAPlaceThatIsNone) {
  EXPECT_EQ(epochfs({"log", repository_}).exit_code, 10);
  EXPECT_EQ(epochfs({"log", "s3://"}).exit_code, 2);
}

}  // namespace
}  // namespace epochfs::test
