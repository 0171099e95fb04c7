#include "engine/source/fetched_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace epochfs::engine {
namespace {

using Unit = FetchedRanges::Unit;

std::vector<std::pair<std::uint64_t, ByteRange>> runs_of(
    const std::vector<FetchedRanges::Hold>& holds) {
  std::vector<std::pair<std::uint64_t, ByteRange>> runs;
  runs.reserve(holds.size());
  for (const auto& hold : holds) runs.emplace_back(hold.object(), hold.range());
  return runs;
}

Buffer buffer_of(std::string_view text) {
  Buffer buffer(text.size());
  std::ranges::copy(as_bytes(text), buffer.bytes().begin());
  return buffer;
}

TEST(FetchedRangesTest, PutsNeighboursTogetherAndNothingElse) {
  FetchedRanges ranges;
  constexpr std::uint64_t kFar = 10 + FetchedRanges::kGapBytesMax + 1;
  const auto holds = ranges.plan({{1, {5, 5}}, {1, {0, 5}}, {1, {kFar, 5}}, {2, {10, 5}}});
  using Run = std::pair<std::uint64_t, ByteRange>;
  EXPECT_EQ(runs_of(holds), (std::vector<Run>{{1, {0, 10}}, {1, {kFar, 5}}, {2, {10, 5}}}));
}

TEST(FetchedRangesTest, EndsARunWhenItIsLongEnough) {
  FetchedRanges ranges;
  constexpr std::uint64_t kUnit = FetchedRanges::kRunBytesMax / 2;
  const auto holds = ranges.plan({{1, {0, kUnit}}, {1, {kUnit, kUnit}}, {1, {2 * kUnit, 1}}});
  ASSERT_EQ(holds.size(), 2U);
  EXPECT_EQ(holds[0].range(), (ByteRange{0, 2 * kUnit}));
}

TEST(FetchedRangesTest, GivesEachItsPartAsLongAsTheRunIsHeld) {
  FetchedRanges ranges;
  EXPECT_FALSE(ranges.find({1, {2, 2}}));
  {
    auto holds = ranges.plan({{1, {0, 4}}, {1, {4, 4}}});
    ASSERT_EQ(holds.size(), 1U);
    EXPECT_TRUE(ranges.plan({{1, {0, 4}}, {1, {4, 4}}}).empty()) << "it is under way";
    std::optional<Result<Piece>> waited;
    std::thread reader([&] { waited = ranges.find({1, {4, 3}}); });
    holds[0].land(buffer_of("abcdefgh"));
    reader.join();
    ASSERT_TRUE(waited && *waited);
    EXPECT_EQ(as_text((*waited)->bytes), "efg");
    EXPECT_FALSE(ranges.find({1, {4, 5}})) << "more than the run has";
    EXPECT_FALSE(ranges.find({2, {4, 3}}));
  }
  EXPECT_FALSE(ranges.find({1, {4, 3}}));
}

TEST(FetchedRangesTest, LeavesWhoeverWaitsToHimselfUnlessTheStoreIsAway) {
  FetchedRanges ranges;
  {
    auto holds = ranges.plan({{1, {0, 4}}});
    holds[0].land(Error::io("replaced"));
    EXPECT_FALSE(ranges.find({1, {0, 4}}));
  }
  auto holds = ranges.plan({{1, {0, 4}}});
  holds[0].land(Error::unreachable("away"));
  const auto found = ranges.find({1, {0, 4}});
  ASSERT_TRUE(found);
  ASSERT_FALSE(*found);
  EXPECT_EQ(found->error().code, Code::kUnreachable);
}

TEST(FetchedRangesTest, KeepsNobodyWaitingForWhatNobodyFetches) {
  FetchedRanges ranges;
  std::optional<Result<Piece>> waited = Result<Piece>(Piece());
  std::thread reader;
  {
    const auto holds = ranges.plan({{1, {0, 4}}});
    reader = std::thread([&] { waited = ranges.find({1, {0, 4}}); });
  }
  reader.join();
  EXPECT_FALSE(waited);
}

}  // namespace
}  // namespace epochfs::engine
