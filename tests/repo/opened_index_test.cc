#include "engine/repo/opened_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "engine/repo/zlayer_outbox.h"
#include "tests/repo/repository_fixture.h"

namespace epochfs::engine {
namespace {

TEST(ClaimDirectoryTest, TakesOnlyWhatIsOursAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory / "cache";
  EXPECT_TRUE(claim_directory(path));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  EXPECT_TRUE(claim_directory(path)) << "once more";
  std::filesystem::create_directory_symlink(path, directory / "link");
  EXPECT_FALSE(claim_directory(directory / "link"));
  write_file(directory / "file", "");
  EXPECT_FALSE(claim_directory(directory / "file"));
  for (const mode_t open : {0710U, 0701U, 0777U}) {
    ASSERT_EQ(::chmod(path.c_str(), open), 0);
    EXPECT_FALSE(claim_directory(path)) << std::oct << open;
  }
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
    EXPECT_FALSE(claim_directory(path)) << "of another user";
  }
}

// The variables that an endpoint may come from, as a test wants them.
class PlaceDirectoryTest : public testing::Test {
 protected:
  PlaceDirectoryTest() {
    for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE"})
      ::unsetenv(name);
    ::setenv("AWS_CONFIG_FILE", "/nowhere", 1);
    ::setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere", 1);
  }
  ~PlaceDirectoryTest() override {
    for (const char* name :
         {"AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"})
      ::unsetenv(name);
  }
  static std::string directory_by(const char* endpoint) {
    ::setenv("AWS_ENDPOINT_URL_S3", endpoint, 1);
    return place_directory("/cache", "s3://bucket/app", "id");
  }
};

TEST_F(PlaceDirectoryTest, TellsStoresApartThatHaveABucketOfOneName) {
  const std::string one = directory_by("http://one:9000");
  EXPECT_EQ(directory_by("http://one:9000/"), one);
  EXPECT_NE(directory_by("http://two:9000"), one);
  const std::string before = place_directory_of_any_store("/cache", "s3://bucket/app", "id");
  EXPECT_NE(one, before);
  EXPECT_EQ(directory_by(""), before) << "Amazon's";
}

TEST_F(PlaceDirectoryTest, FindsAnOutboxFromBeforeThat) {
  const TemporaryDirectory cache;
  ::setenv("AWS_ENDPOINT_URL_S3", "http://one:9000", 1);
  const std::string before =
      place_directory_of_any_store(cache / "c", "s3://bucket/app", "zlayer outbox\n/app.db");
  std::filesystem::create_directories(before + "/outbox");
  write_file(before + "/outbox/state", "kept");
  const auto open = [&](ZlayerOutbox::Lock lock) {
    const auto outbox = ZlayerOutbox::open(cache / "c", "s3://bucket/app", "/app.db", lock);
    EXPECT_TRUE(outbox) << outbox.error().text;
    return outbox->directory();
  };
  EXPECT_EQ(open(ZlayerOutbox::Lock::kNone), before + "/outbox");
  const std::string now = open(ZlayerOutbox::Lock::kTake);
  EXPECT_NE(now, before + "/outbox");
  EXPECT_TRUE(std::filesystem::exists(now + "/state"));
  EXPECT_EQ(open(ZlayerOutbox::Lock::kNone), now);
}

}  // namespace
}  // namespace epochfs::engine
