#include "fs/failure_filter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace epochfs::fs {
namespace {

constexpr FailureFilter::Clock::time_point kNow{};

TEST(FailureFilterTest, LetsAFailureThroughOnce) {
  FailureFilter filter;
  EXPECT_TRUE(filter.is_news("page 7", kNow));
  EXPECT_FALSE(filter.is_news("page 7", kNow + std::chrono::seconds(1)));
  EXPECT_TRUE(filter.is_news("page 8", kNow));
}

TEST(FailureFilterTest, LetsItThroughAgainAfterAWhile) {
  FailureFilter filter;
  EXPECT_TRUE(filter.is_news("page 7", kNow));
  EXPECT_TRUE(filter.is_news("page 7", kNow + FailureFilter::kQuiet));
}

TEST(FailureFilterTest, ForgetsTheOldestWhenManyDiffer) {
  FailureFilter filter;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(filter.is_news(fmt::format("page {}", i), kNow));
  EXPECT_TRUE(filter.is_news("page 0", kNow));
  EXPECT_FALSE(filter.is_news("page 999", kNow));
}

}  // namespace
}  // namespace epochfs::fs
