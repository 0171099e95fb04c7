#include "engine/repo/opened_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

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

}  // namespace
}  // namespace epochfs::engine
