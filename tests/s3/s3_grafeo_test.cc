// Histories of Grafeo's into a repository in a bucket, out of it, and from bucket to bucket.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;
using engine::grafeo::Generation;

class S3GrafeoTest : public RealS3Test, public testing::WithParamInterface<Generation> {
 protected:
  S3GrafeoTest() { db_.commit(2).full().commit(3).incremental().commit(1).incremental(); }

  std::string must(std::vector<std::string> words) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    ProcessOptions options{.environment = RealS3::environment()};
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
    const ProcessResult result = run(words, options);
    EXPECT_EQ(result.exit_code, 0) << words[1] << ": " << result.out << result.err;
    return result.out;
  }
  void must_copy(const std::vector<std::string>& words, int copied, int all) const {
    const std::string said = must(words);
    EXPECT_NE(said.find(fmt::format("{} of {} segments copied", copied, all)), std::string::npos)
        << said;
  }
  [[nodiscard]] std::string place(std::string_view name) const {
    return fmt::format("s3://{}/{}/{}", RealS3::kBucket, prefix_, name);
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Names and bytes; the lock of a writer is none of them.
  static std::map<std::string, std::string> content_of(const std::string& directory) {
    std::map<std::string, std::string> found;
    for (const auto& entry : files::directory_iterator(directory)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with('.')) found[name] = content(entry.path());
    }
    return found;
  }

  const TemporaryDirectory directory_;
  GrafeoBuilder db_{directory_ / "shop", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Generations, S3GrafeoTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

TEST_P(S3GrafeoTest, IsImportedIntoABucketAndExportedFromIt) {
  must_copy({"import", db_.directory(), place("repo")}, 3, 3);
  must_copy({"import", db_.directory(), place("repo")}, 0, 3);
  must({"verify", place("repo")});
  db_.commit(2).incremental();
  must_copy({"import", db_.directory(), place("repo")}, 1, 4);
  must({"verify", place("repo")});
  must_copy({"export", place("repo"), directory_ / "out"}, 4, 4);
  EXPECT_TRUE(content_of(directory_ / "out") == content_of(db_.directory()));
  for (const auto& [number, expected] : db_.expected()) {
    const std::string restored = directory_ / fmt::format("restored-{}", number);
    must({"restore", fmt::format("{}@{}", place("repo"), number), restored});
    EXPECT_TRUE(content(restored) == expected.image) << number;
    if (expected.log.empty()) continue;
    EXPECT_TRUE(content(fmt::format("{}.wal/{}", restored, expected.log_name)) == expected.log)
        << number;
  }
}

TEST_P(S3GrafeoTest, IsExportedIntoABucketAndImportedFromIt) {
  must_copy({"import", db_.directory(), directory_ / "repo"}, 3, 3);
  must_copy({"export", directory_ / "repo", place("shop")}, 3, 3);
  must_copy({"export", directory_ / "repo", place("shop")}, 0, 3);
  must({"verify", place("shop")});
  must_copy({"import", place("shop"), place("repo")}, 3, 3);
  must_copy({"export", place("repo"), directory_ / "out"}, 3, 3);
  EXPECT_TRUE(content_of(directory_ / "out") == content_of(db_.directory()));
}

TEST_P(S3GrafeoTest, IsNotSoundWhenItCannotBeLookedAt) {
  must({"import", db_.directory(), directory_ / "repo"});
  must({"export", directory_ / "repo", place("shops/shop")});
  FaultyProxy proxy(RealS3::port());
  ProcessOptions options{.environment = RealS3::environment(proxy.port())};
  options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
  for (const char* where : {"shops", "shops/shop"}) {
    must({"verify", place(where)});
    proxy.fail({.fault = ProxyFault::kAnswer,
                .method = "HEAD",
                .target = "manifest",
                .times = 1'000,
                .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
    const ProcessResult told = run({EPOCHFS_COMMAND, "verify", place(where)}, options);
    EXPECT_EQ(told.exit_code, 14) << where << ": " << told.out << told.err;
  }
}

}  // namespace
}  // namespace epochfs::test
