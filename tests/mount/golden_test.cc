// The golden SQLite repository in a mount: every epoch is what a reader of the live database saw.
#include "tests/support/golden.h"

#include <fmt/format.h>

#include "engine/core/hash.h"
#include "tests/mount/mounted_repository.h"

namespace epochfs::test {
namespace {

const std::string kGolden = EPOCHFS_SOURCE_DIR "/tests/golden/native-1-sqlite";

class GoldenMountTest : public MountedRepositoryTest {};

TEST_F(GoldenMountTest, ServesTheEpochsThatSqliteSaw) {
  const ProcessResult result = epochfs({"mount", kGolden + "#ledger", mountpoint()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<GoldenEpoch> golden = golden_epochs(kGolden + ".txt");
  EXPECT_EQ(list_directory(mountpoint() + "/epochs").size(), golden.size());
  for (const GoldenEpoch& epoch : golden) {
    SCOPED_TRACE(epoch.number);
    const std::string content =
        read_file(fmt::format("{}/epochs/{:010}/ledger.db", mountpoint(), epoch.number));
    EXPECT_EQ(content.size(), epoch.size_bytes);
    EXPECT_EQ(engine::to_hex(engine::Sha256::of(engine::as_bytes(content))), epoch.sha256);
  }
}

}  // namespace
}  // namespace epochfs::test
