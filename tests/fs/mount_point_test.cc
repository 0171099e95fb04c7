#include "fs/mount_point.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fs/temp_directory.h"

namespace epochfs::fs {
namespace {

using engine::Code;
using testing::TempDirectory;
namespace files = std::filesystem;

Code code_of(const engine::Result<std::string>& result) {
  return result ? Code::kExists : result.error().code;
}

TEST(MountPointTest, IsRefusedUnlessItIsADirectory) {
  const TempDirectory temp;
  std::ofstream(temp.path() / "file") << "x";
  EXPECT_EQ(code_of(check_mountpoint((temp.path() / "missing").string())), Code::kInvalid);
  EXPECT_EQ(code_of(check_mountpoint((temp.path() / "file").string())), Code::kInvalid);
  EXPECT_TRUE(check_mountpoint(temp.path().string()));
}

TEST(MountPointTest, HasANameAndAPlace) {
  EXPECT_EQ(code_of(check_mountpoint("")), Code::kInvalid);
  EXPECT_EQ(code_of(resolve_mountpoint("")), Code::kInvalid);
  EXPECT_EQ(resolve_mountpoint("/.").value(), "/");
  const files::path before = files::current_path();
  {
    const TempDirectory temp;
    files::current_path(temp.path());
  }
  EXPECT_EQ(code_of(check_mountpoint("relative")), Code::kInvalid);
  EXPECT_EQ(code_of(resolve_mountpoint("relative")), Code::kNotFound);
  files::current_path(before);
}

TEST(MountPointTest, IsResolvedThroughLinks) {
  const TempDirectory temp;
  files::create_directory(temp.path() / "real");
  files::create_directory_symlink("real", temp.path() / "link");
  EXPECT_EQ(check_mountpoint((temp.path() / "link").string() + "/").value(),
            files::canonical(temp.path() / "real").string());
}

TEST(MountPointTest, IsKeptApartFromWhatTheMountIsMadeOf) {
  const TempDirectory temp;
  const files::path base = files::canonical(temp.path());
  files::create_directories(base / "repo/inner");
  files::create_directories(base / "repo2");
  files::create_directory_symlink("repo", base / "link");
  const auto apart = [&](const std::string& mountpoint, const std::string& repository) {
    return check_apart((base / mountpoint).string(), (base / repository).string(), "repository");
  };
  EXPECT_FALSE(apart("repo", "repo"));
  EXPECT_FALSE(apart("repo", "repo/"));
  EXPECT_FALSE(apart("repo/inner", "repo"));
  EXPECT_FALSE(apart("repo/inner", "link"));
  EXPECT_FALSE(apart("repo", "link/inner"));
  EXPECT_FALSE(apart("repo", "repo/inner/not/yet/there"));
  EXPECT_TRUE(apart("repo2", "repo"));
  EXPECT_TRUE(apart("repo", "repo2"));
  EXPECT_TRUE(check_apart(base.string(), "s3://bucket/prefix", "repository"));
  EXPECT_EQ(apart("repo", "repo").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace epochfs::fs
