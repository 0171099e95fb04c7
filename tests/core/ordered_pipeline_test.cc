#include "engine/core/ordered_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace epochfs::engine {
namespace {

using Numbers = OrderedPipeline<int, int>;

Result<int> twice(int&& value) { return value * 2; }

// Collects what a pipeline hands over.
struct Collector {
  std::vector<int> seen;
  Numbers::Consume consume() {
    return [this](int&& value) -> Result<void> {
      seen.push_back(value);
      return {};
    };
  }
};

std::vector<int> doubled(int count) {
  std::vector<int> want;
  for (int i = 0; i < count; ++i) want.push_back(2 * i);
  return want;
}

// Lets a worker through when the test says so.
class Gate {
 public:
  void open() {
    open_ = true;
    open_.notify_all();
  }
  void pass() const { open_.wait(false); }

 private:
  std::atomic<bool> open_ = false;
};

struct Shape {
  unsigned threads;
  std::size_t in_flight_max;
};
class OrderedPipelineShapes : public testing::TestWithParam<Shape> {};

TEST_P(OrderedPipelineShapes, HandsResultsOverInInputOrder) {
  constexpr int kCount = 500;
  Collector collector;
  const auto uneven = [](int&& value) -> Result<int> {
    std::minstd_rand random(static_cast<unsigned>(value) + 1);
    for (auto spins = random() % 500; spins > 0; --spins) std::this_thread::yield();
    return value * 2;
  };
  Numbers pipeline(GetParam().threads, GetParam().in_flight_max, uneven, collector.consume());
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(pipeline.push(i));
  ASSERT_TRUE(pipeline.finish());
  EXPECT_EQ(collector.seen, doubled(kCount));
}

TEST_P(OrderedPipelineShapes, NeverHoldsMoreThanItMay) {
  std::atomic<std::size_t> held = 0;
  std::atomic<std::size_t> most = 0;
  const auto consume = [&](int&&) -> Result<void> {
    --held;
    return {};
  };
  Numbers pipeline(GetParam().threads, GetParam().in_flight_max, twice, consume);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(pipeline.push(i));
    most = std::max<std::size_t>(most, ++held);
  }
  ASSERT_TRUE(pipeline.finish());
  EXPECT_EQ(held, 0U);
  EXPECT_LE(most, std::max<std::size_t>(1, GetParam().in_flight_max));
}

TEST_P(OrderedPipelineShapes, ReturnsTheFirstFailureInInputOrder) {
  Collector collector;
  const auto fail_from_40 = [](int&& value) -> Result<int> {
    if (value >= 40) return Error::corrupt("input " + std::to_string(value));
    return value * 2;
  };
  Numbers pipeline(GetParam().threads, GetParam().in_flight_max, fail_from_40, collector.consume());
  Result<void> result;
  for (int i = 0; i < 100 && result; ++i) result = pipeline.push(i);
  if (result) result = pipeline.finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kCorrupt);
  EXPECT_EQ(result.error().text, "input 40");
  EXPECT_EQ(collector.seen, doubled(40));
  for (const auto& later : {pipeline.push(0), pipeline.finish()}) {
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().text, "input 40");
  }
  EXPECT_EQ(collector.seen, doubled(40)) << "nothing is consumed after a failure";
}

TEST_P(OrderedPipelineShapes, ReturnsAFailureOfTheConsumer) {
  int consumed = 0;
  const auto full_at_7 = [&](int&&) -> Result<void> {
    if (++consumed == 7) return Error::no_space("disk");
    return {};
  };
  Numbers pipeline(GetParam().threads, GetParam().in_flight_max, twice, full_at_7);
  Result<void> result;
  for (int i = 0; i < 100 && result; ++i) result = pipeline.push(i);
  if (result) result = pipeline.finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNoSpace);
  EXPECT_EQ(consumed, 7);
}

TEST_P(OrderedPipelineShapes, ThrowsAgainWhatTheWorkThrew) {
  const auto throwing = [](int&& value) -> Result<int> {
    if (value == 5) throw std::runtime_error("five");
    return value;
  };
  Collector collector;
  Numbers pipeline(GetParam().threads, GetParam().in_flight_max, throwing, collector.consume());
  const auto run = [&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(pipeline.push(i));
    EXPECT_TRUE(pipeline.finish());
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(collector.seen, std::vector({0, 1, 2, 3, 4}));
}

TEST_P(OrderedPipelineShapes, EndsWhileWorkIsUnderWay) {
  std::atomic<int> begun = 0;
  {
    const auto counting = [&](int&& value) -> Result<int> {
      ++begun;
      std::this_thread::yield();
      return value;
    };
    Collector collector;
    Numbers pipeline(GetParam().threads, GetParam().in_flight_max, counting, collector.consume());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(pipeline.push(i));
  }
  EXPECT_LE(begun, 50);
}

INSTANTIATE_TEST_SUITE_P(Shapes, OrderedPipelineShapes,
                         testing::Values(Shape{1, 0}, Shape{1, 1}, Shape{1, 8}, Shape{4, 1},
                                         Shape{4, 3}, Shape{4, 16}, Shape{0, 4}),
                         [](const auto& shape) {
                           return std::to_string(shape.param.threads) + "ThreadsHolding" +
                                  std::to_string(shape.param.in_flight_max);
                         });

TEST(OrderedPipelineTest, ConsumesOnThePushingThread) {
  const auto here = std::this_thread::get_id();
  const auto where = [&](int&& value) -> Result<int> {
    EXPECT_NE(std::this_thread::get_id(), here);
    return value;
  };
  const auto consume = [&](int&&) -> Result<void> {
    EXPECT_EQ(std::this_thread::get_id(), here);
    return {};
  };
  Numbers pipeline(3, 4, where, consume);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pipeline.push(i));
  ASSERT_TRUE(pipeline.finish());
}

TEST(OrderedPipelineTest, WorksOnSeveralInputsAtOnce) {
  std::atomic<int> there = 0;
  // Each of the two waits for the other: only passes when both run at the same time.
  const auto meet = [&](int&& value) -> Result<int> {
    ++there;
    there.notify_all();
    for (int seen = there; seen < 2; seen = there) there.wait(seen);
    return value;
  };
  Collector collector;
  Numbers pipeline(2, 2, meet, collector.consume());
  ASSERT_TRUE(pipeline.push(1));
  ASSERT_TRUE(pipeline.push(2));
  ASSERT_TRUE(pipeline.finish());
  EXPECT_EQ(collector.seen, std::vector({1, 2}));
}

TEST(OrderedPipelineTest, DropsWorkNotBegunAfterAFailure) {
  Gate gate;
  std::atomic<int> begun = 0;
  const auto held_from_1 = [&](int&& value) -> Result<int> {
    ++begun;
    if (value > 0) gate.pass();
    return value;
  };
  const auto refuse = [](int&&) -> Result<void> { return Error::no_space("disk"); };
  {
    Numbers pipeline(1, 10, held_from_1, refuse);
    Result<void> result;
    for (int i = 0; i < 10 && result; ++i) result = pipeline.push(i);
    if (result) result = pipeline.finish();
    ASSERT_FALSE(result);
    gate.open();
  }
  EXPECT_LE(begun, 2);
}

TEST(OrderedPipelineTest, DropsWorkNotBegunWhenItEnds) {
  Gate gate;
  std::atomic<int> begun = 0;
  int consumed = 0;
  const auto open_gate = [&](const int* value) {
    if (*value == 9) gate.open();
    delete value;
  };
  using Box = std::unique_ptr<int, std::function<void(const int*)>>;
  {
    OrderedPipeline<Box, int> pipeline(
        1, 10,
        [&](Box&& box) -> Result<int> {
          ++begun;
          begun.notify_all();
          gate.pass();
          return *box;
        },
        [&](int&&) -> Result<void> {
          ++consumed;
          return {};
        });
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(pipeline.push(Box(new int(i), open_gate)));
    begun.wait(0);
  }  // dropping the last input is what lets the first one's work end
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(consumed, 0);
}

TEST(OrderedPipelineTest, TakesMoreAfterFinish) {
  Collector collector;
  Numbers pipeline(2, 4, twice, collector.consume());
  ASSERT_TRUE(pipeline.finish());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pipeline.push(i));
  ASSERT_TRUE(pipeline.finish());
  for (int i = 3; i < 6; ++i) ASSERT_TRUE(pipeline.push(i));
  ASSERT_TRUE(pipeline.finish());
  EXPECT_EQ(collector.seen, doubled(6));
}

TEST(OrderedPipelineTest, CarriesMoveOnlyValues) {
  using Box = std::unique_ptr<int>;
  int sum = 0;
  OrderedPipeline<Box, Box> pipeline(
      2, 4, [](Box&& box) -> Result<Box> { return std::make_unique<int>(*box + 1); },
      [&](Box&& box) -> Result<void> {
        sum += *box;
        return {};
      });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pipeline.push(std::make_unique<int>(i)));
  ASSERT_TRUE(pipeline.finish());
  EXPECT_EQ(sum, 55);
}

}  // namespace
}  // namespace epochfs::engine
