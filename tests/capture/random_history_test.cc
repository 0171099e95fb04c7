// The oracle: real SQLite commits at random, and every epoch must be what a reader saw then.
#include "tests/support/random_history.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/capture/replay.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

// Under sanitizers each page size once, each kind of vacuum, and two modes without a log.
std::vector<RandomHistoryOptions> history_cases() {
  const std::vector<std::string> vacuums = {"NONE", "FULL", "INCREMENTAL"};
  const std::vector<std::string> modes = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  constexpr std::size_t kOneOf = one_of_many_under_sanitizers(3);
  std::vector<RandomHistoryOptions> cases;
  std::size_t first = 0;
  for (const std::uint32_t page_size : {512, 1024, 4096, 16384, 65536})
    for (std::size_t vacuum = first++ % kOneOf; vacuum < vacuums.size(); vacuum += kOneOf)
      cases.push_back({page_size, vacuums[vacuum], "WAL"});
  for (std::size_t mode = 0; mode < modes.size(); mode += kOneOf)
    cases.push_back({1024, "FULL", modes[mode]});
  return cases;
}

class RandomHistoryTest : public ::testing::TestWithParam<RandomHistoryOptions> {};

TEST_P(RandomHistoryTest, IsCapturedByteForByte) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("EPOCHFS_TEST_SEED=" + std::to_string(seed));
  RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed ^ 0x5eed);
  const TemporaryDirectory directory;
  RandomHistory history(directory / "app.db", GetParam(), seed);
  Replay replay(directory / "app.db");
  replay.options().temp_directory = directory.path();
  std::size_t captured = 0;  // states that are in the repository
  std::size_t proven = 0;
  for (int round = 0; round < 30; ++round) {
    replay.options().frames_per_batch =
        random() % 3 == 0 ? 1 + random() % 60 : engine::kFramesPerBatch;
    ASSERT_WORKS(replay.back_up());
    const std::vector<RandomHistory::Moment>& seen = history.moments();
    ASSERT_EQ(replay.newest(), seen.back().image) << "round " << round;
    proven += replay.last_commits;
    if (replay.last_commits != 0) {
      ASSERT_EQ(replay.last_commits, replay.last_epochs);
      ASSERT_EQ(replay.last_commits, seen.size() - captured) << "round " << round;
      const std::size_t first = replay.images().size() - replay.last_commits;
      for (std::size_t i = 0; i < replay.last_commits; ++i)
        ASSERT_EQ(replay.images()[first + i], seen[captured + i].image)
            << "round " << round << ", transaction " << i;
    } else if (seen.size() == captured) {
      ASSERT_EQ(replay.last_epochs, 0U);
    }
    captured = seen.size();
    const std::uint64_t steps = random() % 8;
    for (std::uint64_t i = 0; i < steps; ++i) history.step();
  }
  if (GetParam().journal_mode == "WAL") {
    EXPECT_GT(proven, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Real, RandomHistoryTest, ::testing::ValuesIn(history_cases()),
                         [](const auto& row) { return row.param.name(); });

}  // namespace
}  // namespace epochfs::test
