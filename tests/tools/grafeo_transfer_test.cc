// `import` and `export`, and what the other commands say of what was imported.
#include <filesystem>

#include "tests/support/grafeo_builder.h"
#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

using Generation = engine::grafeo::Generation;

class GrafeoTransferTest : public CommandTest {
 protected:
  GrafeoTransferTest() : db_(path("own/shop"), Generation::kV2) {
    db_.commit(2).full().commit(3).incremental();
  }

  GrafeoBuilder db_;
  std::string repository_ = path("repo");
};

TEST_F(GrafeoTransferTest, ImportsAndSaysHowMuch) {
  const ProcessResult result = epochfs({"import", path("own/shop"), repository_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(lines_of(result.out).at(0), "import of shop: 2 of 2 segments copied");
  EXPECT_TRUE(lines_of(result.out).at(1).starts_with("read ")) << result.out;
  EXPECT_EQ(epochfs({"import", path("own/shop"), repository_}).out,
            "import of shop: 0 of 2 segments copied\n");
  EXPECT_EQ(epochfs({"import", "-q", path("own/shop"), repository_ + "#again"}).out, "");
  const Json info = Json::parse(epochfs({"info", repository_, "--json"}).out);
  ASSERT_EQ(info.at("databases").size(), 2U);
  EXPECT_EQ(info.at("databases")[1].at("name"), "shop");
  EXPECT_EQ(info.at("databases")[1].at("engine"), "grafeo");
  EXPECT_EQ(info.at("databases")[1].at("epochs"), 4);
  EXPECT_EQ(epochfs({"verify", repository_}).exit_code, 0);
  EXPECT_EQ(lines_of(epochfs({"log", repository_ + "#shop", "--json"}).out).size(), 4U);
}

TEST_F(GrafeoTransferTest, AnswersInJson) {
  const Json taken =
      Json::parse(epochfs({"import", path("own"), repository_, "--name", "s", "--json"}).out);
  EXPECT_EQ(taken.at("command"), "import");
  EXPECT_EQ(taken.at("database"), "s");
  EXPECT_EQ(taken.at("segments_copied"), 2);
  EXPECT_GT(taken.at("bytes_read"), 12'288);
  const Json given = Json::parse(epochfs({"export", repository_, path("out"), "--json"}).out);
  EXPECT_EQ(given.at("command"), "export");
  EXPECT_EQ(given.at("segments"), 2);
  EXPECT_EQ(given.at("bytes_stored"), taken.at("bytes_read"));
  EXPECT_EQ(lines_of(epochfs({"log", path("out"), "--json"}).out).size(), 4U);
}

TEST_F(GrafeoTransferTest, EndsAsTheTableOfExitCodesSays) {
  EXPECT_EQ(epochfs({"import", path("nothing"), repository_}).exit_code, 10);
  EXPECT_EQ(epochfs({"export", path("nothing"), path("out")}).exit_code, 10);
  EXPECT_EQ(epochfs({"import", path("own"), repository_}).exit_code, 0);
  EXPECT_EQ(epochfs({"export", repository_ + "#other", path("out")}).exit_code, 1);
  EXPECT_EQ(epochfs({"export", repository_, path("out"), "--format", "grafeo-v3"}).exit_code, 2);
  EXPECT_EQ(epochfs({"export", repository_, path("out"), "--format", "grafeo-v1"}).exit_code, 2);
  EXPECT_EQ(epochfs({"export", repository_, repository_}).exit_code, 6);
  EXPECT_EQ(epochfs({"import", path("own") + "#a", repository_ + "#b", "--name", "c"}).exit_code,
            2);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

}  // namespace
}  // namespace epochfs::test
