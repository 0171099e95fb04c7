#include "tools/epoch_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "tests/support/samples.h"

namespace epochfs::tools {
namespace {

using engine::Epoch;
using engine::Result;
using engine::UtcTime;
using engine::native::EpochFacts;

using Numbers = std::vector<std::uint64_t>;

// Epochs with these numbers, ascending, and nothing else to tell of them.
class NumberedTimeline : public engine::Timeline {
 public:
  explicit NumberedTimeline(Numbers numbers) : numbers_(std::move(numbers)) {}

  [[nodiscard]] std::uint64_t history() const noexcept override { return 1; }
  [[nodiscard]] std::uint64_t epoch_count() const noexcept override { return numbers_.size(); }
  [[nodiscard]] std::optional<Epoch> oldest() const noexcept override { return at(0); }
  [[nodiscard]] std::optional<Epoch> newest() const noexcept override {
    return at(numbers_.size() - 1);
  }
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept override { return 0; }
  [[nodiscard]] std::optional<UtcTime> covered_until() const noexcept override { return {}; }

  Result<std::optional<EpochFacts>> newest_below(Epoch epoch) const override {
    const auto above = std::lower_bound(numbers_.begin(), numbers_.end(), epoch.get());
    if (above == numbers_.begin()) return std::optional<EpochFacts>();
    return std::optional(facts(*(above - 1)));
  }
  Result<std::vector<EpochFacts>> list(Epoch first, std::size_t count_max) const override {
    std::vector<EpochFacts> listed;
    auto next = std::lower_bound(numbers_.begin(), numbers_.end(), first.get());
    for (; next != numbers_.end() && listed.size() < count_max; ++next)
      listed.push_back(facts(*next));
    return listed;
  }

  Result<std::optional<EpochFacts>> find(Epoch) const override { return unexpected(); }
  Result<std::optional<EpochFacts>> newest_at(UtcTime) const override { return unexpected(); }
  Result<std::optional<EpochFacts>> oldest_from(UtcTime) const override { return unexpected(); }
  Result<std::vector<EpochFacts>> newest_epochs(std::size_t) const override { return unexpected(); }

 private:
  static EpochFacts facts(std::uint64_t number) {
    EpochFacts facts;
    facts.epoch = Epoch(number);
    return facts;
  }
  static engine::Failure unexpected() { return engine::Error::io("a walk does not need this"); }
  [[nodiscard]] std::optional<Epoch> at(std::size_t index) const {
    return index < numbers_.size() ? std::optional(Epoch(numbers_[index])) : std::nullopt;
  }

  Numbers numbers_;
};

// What the walks visit, by the simplest means.
Numbers newest_of(const Numbers& numbers, std::uint64_t first, std::uint64_t count_max) {
  Numbers wanted(std::lower_bound(numbers.begin(), numbers.end(), first), numbers.end());
  if (wanted.size() > count_max)
    wanted.erase(wanted.begin(), wanted.end() - static_cast<std::ptrdiff_t>(count_max));
  return wanted;
}

using Walk = Result<void> (*)(const engine::Timeline&, Epoch, std::uint64_t, const EpochVisitor&);

Numbers visited(Walk walk, const Numbers& numbers, std::uint64_t first, std::uint64_t count_max) {
  Numbers out;
  const NumberedTimeline timeline(numbers);
  const auto walked =
      walk(timeline, Epoch(first), count_max, [&](const EpochFacts& facts) -> Result<void> {
        out.push_back(facts.epoch.get());
        return {};
      });
  EXPECT_TRUE(walked.has_value());
  return out;
}

void expect_both_walks(const Numbers& numbers, std::uint64_t first, std::uint64_t count_max) {
  Numbers wanted = newest_of(numbers, first, count_max);
  EXPECT_TRUE(visited(walk_forward, numbers, first, count_max) == wanted)
      << "forward from " << first << ", at most " << count_max;
  std::reverse(wanted.begin(), wanted.end());
  EXPECT_TRUE(visited(walk_backward, numbers, first, count_max) == wanted)
      << "backward to " << first << ", at most " << count_max;
}

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

TEST(EpochWalkTest, VisitsALongHistoryOnce) {
  Numbers numbers(10'000);
  std::iota(numbers.begin(), numbers.end(), std::uint64_t{1});
  for (const std::uint64_t first : {1, 2, 5904, 5905, 5906, 10'000, 10'001})
    for (const std::uint64_t count_max : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096},
                                          std::uint64_t{4097}, std::uint64_t{9'999}, kNoLimit})
      expect_both_walks(numbers, first, count_max);
}

TEST(EpochWalkTest, VisitsNothingInAnEmptyHistory) { expect_both_walks({}, 0, kNoLimit); }

TEST(EpochWalkTest, CrossesGapsOfAnyWidth) {
  const Numbers numbers = {1, 5000, 5001, 1ULL << 63, kNoLimit - 1, kNoLimit};
  for (const std::uint64_t first : numbers)
    for (std::uint64_t count_max = 0; count_max <= numbers.size(); ++count_max)
      expect_both_walks(numbers, first, count_max);
}

TEST(EpochWalkTest, VisitsRandomHistoriesAsTheSimplestMeansDo) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (std::size_t round = 0; round < 50;
       round += epochfs::test::one_of_many_under_sanitizers(10)) {
    Numbers numbers;
    std::uint64_t number = 0;
    const std::uint64_t gap_max = 1ULL << (random() % 12);
    for (std::uint64_t i = random() % 6000; i > 0; --i)
      numbers.push_back(number += 1 + random() % gap_max);
    expect_both_walks(numbers, random() % (number + 2), random() % (numbers.size() + 2));
    expect_both_walks(numbers, 0, kNoLimit);
  }
}

TEST(EpochWalkTest, EndsWithTheFailureOfAVisit) {
  const NumberedTimeline timeline({1, 2, 3});
  for (const Walk walk : {walk_forward, walk_backward}) {
    int visits = 0;
    const auto walked = walk(timeline, Epoch(1), kNoLimit, [&](const EpochFacts&) -> Result<void> {
      if (++visits == 2) return engine::Error::no_space("full");
      return {};
    });
    ASSERT_FALSE(walked.has_value());
    EXPECT_EQ(walked.error().code, engine::Code::kNoSpace);
    EXPECT_EQ(visits, 2);
  }
}

}  // namespace
}  // namespace epochfs::tools
