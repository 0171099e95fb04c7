// A bucket with what ZLayer's replicator stores, mounted as it is.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/s3/real_s3.h"
#include "tests/support/process.h"
#include "tests/support/random_history.h"
#include "tests/support/temporary_directory.h"
#include "tests/zlayer/scenarios.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class S3ZlayerTest : public RealS3Test, public testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] ProcessResult python(std::vector<std::string> words) const {
    words.front() = EPOCHFS_SOURCE_DIR "/tests/zlayer/" + words.front();
    words.insert(words.begin(), "python3");
    ProcessOptions options{.environment = RealS3::environment()};
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
    options.environment["EPOCHFS_COMMAND"] = EPOCHFS_COMMAND;
    return run(words, options);
  }
  // In the order in which they were stored.
  void upload(const std::string& objects) const {
    std::vector<files::directory_entry> found;
    for (const auto& entry : files::recursive_directory_iterator(objects))
      if (entry.is_regular_file()) found.push_back(entry);
    std::ranges::sort(found, {}, [](const auto& entry) { return entry.last_write_time(); });
    const auto storage = engine::make_s3_storage(RealS3::settings(prefix_));
    for (const auto& entry : found) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(in), {});
      const auto put = storage->create(files::relative(entry.path(), objects).string());
      ASSERT_TRUE(put && (*put)->append(engine::as_bytes(bytes)) && (*put)->finish());
    }
  }

  const TemporaryDirectory directory_;
};

// The times are new, and in the old order.
TEST_P(S3ZlayerTest, OffersWhatWasCommittedAndNothingElse) {
  if (!files::exists("/dev/fuse")) GTEST_SKIP() << "SKIPPED: there is no /dev/fuse";
  const std::string seed = std::to_string(test_seed() % 1'000'000'000);
  SCOPED_TRACE("EPOCHFS_TEST_SEED=" + seed);
  const std::string made = directory_ / "made";
  const ProcessResult result = python({"make.py", GetParam(), made, seed});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  upload(made + "/objects");
  const std::string mount_point = directory_ / "mnt";
  files::create_directory(mount_point);
  const ProcessResult checked =
      python({"check.py", made + "/truth.json", fmt::format("s3://{}/{}", RealS3::kBucket, prefix_),
              mount_point});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_NE(checked.out.find("epochs offered"), std::string::npos) << checked.out;
}

INSTANTIATE_TEST_SUITE_P(Replicated, S3ZlayerTest, testing::ValuesIn(kZlayerScenarios),
                         scenario_name);

}  // namespace
}  // namespace epochfs::test
