// A bucket with what ZLayer's replicator stores, mounted as it is.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/s3/real_s3.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class S3ZlayerTest : public RealS3Test {
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

TEST_F(S3ZlayerTest, OffersWhatWasCommitted) {
  if (!files::exists("/dev/fuse")) GTEST_SKIP() << "SKIPPED: there is no /dev/fuse";
  for (const char* what : {"restarted", "rolled-back", "reopened"}) {
    SCOPED_TRACE(what);
    const std::string made = directory_ / what;
    const ProcessResult result = python({"make.py", what, made, "1"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    upload(made + "/objects");
    const std::string mount_point = made + "/mnt";
    files::create_directory(mount_point);
    const ProcessResult checked = python({"check.py", made + "/truth.json",
                                          fmt::format("s3://{}/{}", RealS3::kBucket, prefix_),
                                          mount_point, "--times-are-new"});
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    EXPECT_EQ(checked.out.find("\n0 epochs"), std::string::npos) << checked.out;
    const auto storage = engine::make_s3_storage(RealS3::settings(prefix_));
    for (const char* directory : {"snapshots", "wal"}) {
      const auto listing = storage->list(directory);
      ASSERT_TRUE(listing);
      for (const auto& object : listing->objects)
        ASSERT_TRUE(storage->remove(fmt::format("{}/{}", directory, object.name)));
    }
    ASSERT_TRUE(storage->remove("metadata.json"));
  }
}

}  // namespace
}  // namespace epochfs::test
