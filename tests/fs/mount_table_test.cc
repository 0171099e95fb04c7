#include "fs/mount_table.h"

#include <gtest/gtest.h>

namespace epochfs::fs {
namespace {

TEST(MountTableTest, ReadsDevicePlaceTypeAndSource) {
  const auto places = parse_mount_table(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
      "40 35 0:50 / /m ro,nosuid - fuse.epochfs /backups#app ro,user_id=0\n");
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].mountpoint, "/mnt2");
  EXPECT_EQ(places[0].type, "ext3");
  EXPECT_EQ(places[1].device, "0:50");
  EXPECT_EQ(places[1].mountpoint, "/m");
  EXPECT_EQ(places[1].type, kFilesystemType);
  EXPECT_EQ(places[1].source, "/backups#app");
}

TEST(MountTableTest, UndoesTheKernelsEscapes) {
  const auto places =
      parse_mount_table("36 35 98:0 / /a\\040b\\134c\\011d\\012e rw - fuse.epochfs x\\040y rw\n");
  ASSERT_EQ(places.size(), 1U);
  EXPECT_EQ(places[0].mountpoint, "/a b\\c\td\ne");
  EXPECT_EQ(places[0].source, "x y");
}

TEST(MountTableTest, LeavesOutLinesThatItCannotRead) {
  EXPECT_TRUE(parse_mount_table("").empty());
  EXPECT_TRUE(parse_mount_table("36 35 98:0 / /a rw\n").empty());
  EXPECT_TRUE(parse_mount_table("36 35 98:0 / /a rw - ext4\n").empty());
  EXPECT_TRUE(parse_mount_table("garbage\n\n").empty());
}

TEST(MountTableTest, FindsTheRootAndNothingElsewhere) {
  EXPECT_TRUE(mounted_at("/").value());
  EXPECT_FALSE(mounted_at("/nonexistent").value());
}

}  // namespace
}  // namespace epochfs::fs
