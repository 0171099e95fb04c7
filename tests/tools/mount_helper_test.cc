#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

struct HelperCase {
  const char* name;
  std::vector<std::string> words;  // after the name of the helper
  int exit_code;                   // as mount(8) counts
};

std::ostream& operator<<(std::ostream& out, const HelperCase& row) { return out << row.name; }

class MountHelperTest : public CommandTest, public ::testing::WithParamInterface<HelperCase> {};

TEST_P(MountHelperTest, SpeaksWithMountAsItExpects) {
  for (const char* name : {"/sbin/mount.epochfs", "mount.fuse.epochfs"}) {
    const ProcessResult result = epochfs(GetParam().words, {.argv0 = name});
    EXPECT_EQ(result.exit_code, GetParam().exit_code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err.empty(), GetParam().exit_code == 0) << result.err;
  }
}

// -f is mount(8)'s dry run, so these need no FUSE.
const HelperCase kHelperCases[] = {
    {"Defaults", {"/r#app", "/mnt", "-f", "-o", "rw"}, 0},
    {"EveryFlag", {"/r", "/mnt", "-sfnv", "-o", "ro,cache=64M,nofail,_netdev"}, 0},
    {"Type", {"/r", "/mnt", "-f", "-t", "fuse.epochfs", "-o", "rw,nosuid,nodev"}, 0},
    {"OptionsOfEveryFilesystem", {"/r", "/mnt", "-f", "-o", "rw,dev,suid,nosymfollow,atime"}, 0},
    {"NoMountPoint", {"/r", "-f"}, 1},
    {"UnknownOption", {"/r", "/mnt", "-f", "-o", "frobnicate"}, 1},
    {"UnknownOptionSloppy", {"/r", "/mnt", "-fs", "-o", "rw,frobnicate,allow_other"}, 0},
    {"OtherNamespace", {"/r", "/mnt", "-f", "-N", "/proc/1/ns/mnt"}, 2},
    {"NoRepository", {"/nonexistent/r", "/tmp", "-o", "rw"}, 32},
};
INSTANTIATE_TEST_SUITE_P(Words, MountHelperTest, ::testing::ValuesIn(kHelperCases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace epochfs::test
