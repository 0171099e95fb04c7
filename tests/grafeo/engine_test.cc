// What the other tests rely on: the engine accepts the directories that are made for them.

#include "tests/grafeo/real_grafeo.h"

namespace epochfs::test {
namespace {

class RealGrafeoFixtureTest : public RealGrafeoTest,
                              public testing::WithParamInterface<const char*> {};

TEST_P(RealGrafeoFixtureTest, AnswersAtEveryEpochAsItsOracleSays) {
  make(GetParam());
  expect_restorable(GetParam(), path(GetParam()) + "/repo");
}

INSTANTIATE_TEST_SUITE_P(MadeByGrafeo, RealGrafeoFixtureTest,
                         testing::Values("v1", "v2", "continued"), name_of_kind);
INSTANTIATE_TEST_SUITE_P(MadeByEpochfs, RealGrafeoFixtureTest,
                         testing::Values("written", "busy", "turns", "written-v1"), name_of_kind);

TEST_F(RealGrafeoTest, IsToldWrongAnswersFromRightOnes) {
  make("v1");
  auto oracle = this->oracle("v1");
  oracle["epochs"]["5"]["nodes"] = 12345;
  std::ofstream(path("v1") + "/oracle.json") << oracle;
  const TemporaryDirectory work;
  const ProcessResult checked = node(
      {"check.mjs", path("v1") + "/oracle.json", "--restore", path("v1") + "/repo", work.path()});
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_NE(checked.out.find("epoch 5: answers"), std::string::npos) << checked.out;
}

}  // namespace
}  // namespace epochfs::test
