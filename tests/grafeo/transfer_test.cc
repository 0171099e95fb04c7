// Histories that the engine made, taken into a repository of epochfs and given back: the engine
// finds every epoch, there and afterwards.

#include "tests/grafeo/real_grafeo.h"

namespace epochfs::test {
namespace {

class RealGrafeoTransferTest : public RealGrafeoTest,
                               public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    RealGrafeoTest::SetUp();
    if (!IsSkipped()) make(GetParam());
  }
  [[nodiscard]] static std::uint64_t bytes_below(const std::string& directory) {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
      if (entry.is_regular_file()) bytes += entry.file_size();
    return bytes;
  }
};

TEST_P(RealGrafeoTransferTest, KeepsEveryEpochInAFractionOfTheSpace) {
  const std::string own = path(GetParam()) + "/repo";
  must({"import", own, path("packed"), "--name", "shop"});
  must({"verify", path("packed")});
  EXPECT_LT(bytes_below(path("packed")), bytes_below(own) * 2 / 3);
  std::filesystem::create_directory(path("restored"));
  const nlohmann::json oracle = this->oracle(GetParam());
  for (const auto& [number, answer] : oracle.at("epochs").items())
    must({"restore", path("packed") + "#shop@" + number,
          path("restored") + "/" + number + ".grafeo"});
  expect_answers(GetParam(), {path("restored") + "/EPOCH.grafeo"});

  must({"export", path("packed"), path("exported")});
  expect_restorable(GetParam(), path("exported"));
}

INSTANTIATE_TEST_SUITE_P(MadeByGrafeo, RealGrafeoTransferTest,
                         testing::Values("v1", "v2", "continued"), name_of_kind);

// What epochfs wrote into a repository of its own is what Grafeo would have had.
TEST_F(RealGrafeoTest, RestoresWhatWasExportedOfARepository) {
  make("packed");
  must({"export", path("packed") + "/repo#shop", path("exported")});
  expect_restorable("packed", path("exported"));
}

TEST_F(RealGrafeoTest, GoesOnWithADirectoryThatWasExported) {
  const std::string file = path("live") + "/shop.grafeo";
  const auto live = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"live.mjs", file});
    const ProcessResult result = node(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  std::filesystem::create_directory(path("live"));
  live({"commit:2", "close"});
  must({"backup", file, path("packed")});
  live({"commit:3", "close"});
  EXPECT_EQ(epochfs({"backup", file, path("packed"), "-q"}).out, "epoch 5\n");
  must({"export", path("packed"), path("exported")});
  live({"commit:2", "incremental:" + path("exported"), "close"});
  must({"import", path("exported"), path("packed"), "--name", "back"});
  EXPECT_EQ(epochfs({"log", path("packed") + "#back", "--json", "-n", "1"}).exit_code, 0);
  must({"restore", path("packed") + "#back@7", path("seven.grafeo")});
  EXPECT_EQ(node({"live.mjs", path("seven.grafeo"), "count"}).out, "7\n");
}

}  // namespace
}  // namespace epochfs::test
