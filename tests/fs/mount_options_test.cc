#include <gtest/gtest.h>

#include <filesystem>

#include "fs/mount.h"

namespace epochfs::fs {
namespace {

using engine::Code;

MountOptions parsed(std::string_view list) {
  MountOptions options;
  const auto result = apply_mount_option_list(list, options);
  EXPECT_TRUE(result) << list << ": " << result.error().text;
  return options;
}

TEST(MountOptionsTest, ReadWhatIsOurs) {
  const MountOptions options = parsed(
      "cache=64M,cache_dir=/var/cache/e,allow_other,log=/tmp/l=1,endpoint_url=http://[::1]:80/a=b");
  EXPECT_EQ(options.cache_bytes, 64U << 20);
  EXPECT_EQ(options.cache_directory, "/var/cache/e");
  EXPECT_TRUE(options.allow_other);
  EXPECT_EQ(options.log_file, "/tmp/l=1");
  EXPECT_EQ(options.endpoint_url, "http://[::1]:80/a=b");
}

TEST(MountOptionsTest, ChooseNoCacheDirectoryForARepository) {
  EXPECT_EQ(repository_options(parsed(""), "/r").cache_directory, "");
  EXPECT_EQ(repository_options(parsed("cache_dir=/var/c"), "/r").cache_directory, "/var/c");
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(repository_options(parsed("cache_dir=c"), "r").cache_directory, here + "/c");
  EXPECT_EQ(repository_options(parsed("cache_dir=c"), "r").location, here + "/r");
}

TEST(MountOptionsTest, FollowALinkBeforeTheDirectoryAboveIt) {
  EXPECT_EQ(repository_options(parsed("cache_dir=/link/../c"), "/link/../r").location,
            "/link/../r");
  EXPECT_EQ(repository_options(parsed("cache_dir=/link/../c"), "/r").cache_directory, "/link/../c");
}

TEST(MountOptionsTest, LeaveEverythingAsItWasWhenEmpty) {
  const MountOptions options = parsed("");
  EXPECT_EQ(options.cache_bytes, MountOptions().cache_bytes);
  EXPECT_FALSE(options.allow_other);
}

TEST(MountOptionsTest, AcceptWhatMountPassesFromFstab) {
  parsed("rw,nofail,_netdev");
  parsed("ro,noexec,relatime,nosuid,nodev,user");
  parsed(
      "defaults,suid,dev,dirsync,silent,lazytime,noiversion,uhelper=hal,noauto,x-systemd.automount,"
      "X-thing,,ro");
}

TEST(MountOptionsTest, ReadSizesInUnits) {
  EXPECT_EQ(parsed("cache=512K").cache_bytes, 512U << 10);
  EXPECT_EQ(parsed("cache=2G").cache_bytes, 2ULL << 30);
  EXPECT_EQ(parsed("cache=1T").cache_bytes, 1ULL << 40);
  EXPECT_EQ(parsed("cache=4096").cache_bytes, 4096U);
  EXPECT_EQ(parsed("disk_cache=3G").disk_cache_bytes, 3ULL << 30);
  EXPECT_EQ(repository_options(parsed("disk_cache=1K"), "/r").disk_cache_bytes, 1024U);
}

class BadMountOptionTest : public ::testing::TestWithParam<std::string_view> {};

TEST_P(BadMountOptionTest, IsNamed) {
  MountOptions options;
  const auto result = apply_mount_option_list(GetParam(), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kInvalid);
  const std::string_view bad = GetParam().substr(GetParam().rfind(',') + 1);
  EXPECT_NE(result.error().text.find(bad), std::string::npos) << result.error().text;
}
INSTANTIATE_TEST_SUITE_P(Options, BadMountOptionTest,
                         ::testing::Values("frobnicate", "ro,frob", "cache", "cache=", "cache=1X",
                                           "cache=-1", "cache=1MM", "cache=99999999999999999999",
                                           "cache=18446744073709551615K", "allow_other=1",
                                           "ro,uhelper"));

}  // namespace
}  // namespace epochfs::fs
