#include "engine/source/history.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

enum class Segment { kGood, kDamaged, kUnreachable, kRefused };

// Segment n brings epoch n + 1. Also a damaged one writes it before it turns out to be damaged.
class FakeHistory final : public History {
 public:
  std::vector<Segment> segments;
  mutable std::map<std::uint32_t, int> taken;  // how often each was read

  [[nodiscard]] const std::string& database() const noexcept override { return name_; }
  [[nodiscard]] std::uint32_t segment_count() const noexcept override {
    return static_cast<std::uint32_t>(segments.size());
  }
  [[nodiscard]] std::uint64_t stored_bytes(SegmentNo) const noexcept override { return 1; }
  [[nodiscard]] std::uint64_t fold(std::uint64_t sum, SegmentNo segment) const override {
    return sum * 31 + segment.get() + 1;
  }
  Result<std::optional<Epoch>> take(PageIndex::Writer& writer, DatabaseRow& row,
                                    SegmentNo segment) const override {
    ++taken[segment.get()];
    EpochRow epoch;
    epoch.facts.epoch = Epoch(segment.get() + 1);
    epoch.segment = segment;
    TRY(writer.put_epoch(row.number, epoch));
    row.newest = epoch.facts.epoch;
    ++row.epoch_count;
    switch (segments[segment.get()]) {
      case Segment::kGood:
        return std::optional<Epoch>();
      case Segment::kDamaged:
        add_problem(row, {"half", "of what was read", {}, {}});
        return Error::corrupt("damaged");
      case Segment::kRefused:
        return tl::unexpected(Error{Code::kUnreachable, "archived", EACCES});
      case Segment::kUnreachable:
        break;
    }
    return Error::unreachable("gone");
  }
  void give_up(DatabaseRow& row, SegmentNo segment, const Error& error) const override {
    const Epoch epoch(segment.get() + 1);
    add_problem(row, {fmt::format("segment-{}", segment.get()), error.text, epoch, epoch});
  }
  [[nodiscard]] Result<bool> is_newest() const override { return true; }
  [[nodiscard]] std::string version_of(const std::string& object) const override {
    return "version of " + object;
  }
  Result<bool> is_current(const PageIndex::Reader&, const DatabaseRow&) const override {
    return true;
  }

 private:
  std::string name_ = "db";
};

class HistoryTest : public testing::Test {
 protected:
  void add(Segment segment, std::size_t count = 1) {
    history_.segments.insert(history_.segments.end(), count, segment);
  }
  // What the index has.
  [[nodiscard]] DatabaseRow stored() const {
    const auto row = *index_->read()->database("db");
    return row ? *row : DatabaseRow{};
  }
  void expect_taken_in(const DatabaseRow& row) {
    EXPECT_EQ(stored(), row);
    EXPECT_EQ(row.segment_count, history_.segment_count());
    EXPECT_EQ(row.stored_bytes, history_.segment_count());
    const auto reader = index_->read();
    std::size_t problem = 0;
    std::uint64_t epochs = 0;
    for (std::uint32_t i = 0; i < history_.segment_count(); ++i) {
      const bool is_good = history_.segments[i] == Segment::kGood;
      EXPECT_EQ(reader->epoch(row.number, Epoch(i + 1))->has_value(), is_good) << i;
      epochs += is_good ? 1 : 0;
      if (is_good || problem >= kProblemsMax) continue;
      ASSERT_LT(problem, row.problems.size());
      EXPECT_EQ(row.problems[problem].object, fmt::format("segment-{}", i));
      EXPECT_EQ(row.problems[problem].version, fmt::format("version of segment-{}", i));
      ++problem;
    }
    EXPECT_EQ(row.epoch_count, epochs);
  }

  TemporaryDirectory directory_;
  std::shared_ptr<PageIndex> index_ = *PageIndex::open(directory_ / "index");
  FakeHistory history_;
};

TEST_F(HistoryTest, TakesInNothingOfDamagedSegmentsAndAllOfTheOthers) {
  add(Segment::kDamaged, 3);
  add(Segment::kGood);
  add(Segment::kDamaged, 2);
  add(Segment::kGood, 2);
  add(Segment::kDamaged);
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  expect_taken_in(*row);
  EXPECT_EQ(*take_in(*index_, history_, true), *row);
  // Once more, the ones that shared a transaction with a damaged one, and that.
  for (const auto& [segment, times] : history_.taken) EXPECT_LE(times, 2) << segment;
  EXPECT_EQ(history_.taken[0], 1);
}

TEST_F(HistoryTest, GoesOnBehindTheLastUsableSegmentAfterAFailure) {
  add(Segment::kDamaged, 2);
  add(Segment::kGood);
  add(Segment::kDamaged, 2);
  add(Segment::kUnreachable);
  add(Segment::kGood);
  EXPECT_EQ(take_in(*index_, history_, true).error().code, Code::kUnreachable);
  EXPECT_EQ(stored().segment_count, 3U);
  EXPECT_EQ(stored().problems.size(), 2U);
  history_.segments[5] = Segment::kGood;
  const auto taken = history_.taken;
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  expect_taken_in(*row);
  EXPECT_EQ(history_.taken[0], taken.at(0));
  EXPECT_EQ(history_.taken[2], taken.at(2));
}

TEST_F(HistoryTest, KeepsWhatCameBeforeASegmentThatCannotBeReached) {
  add(Segment::kGood, 3);
  add(Segment::kUnreachable);
  EXPECT_EQ(take_in(*index_, history_, true).error().code, Code::kUnreachable);
  EXPECT_EQ(stored().segment_count, 3U);
}

TEST_F(HistoryTest, GoesOnBehindASegmentThatIsRefusedUntilItIsNot) {
  add(Segment::kGood);
  add(Segment::kRefused);
  add(Segment::kGood);
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  EXPECT_EQ(row->epoch_count, 2U);
  ASSERT_EQ(row->problems.size(), 1U);
  EXPECT_EQ(row->problems[0].text, "archived");
  history_.segments[1] = Segment::kGood;
  const auto later = take_in(*index_, history_, true);
  ASSERT_TRUE(later) << later.error().text;
  EXPECT_EQ(later->epoch_count, 3U);
  EXPECT_TRUE(later->problems.empty());
}

TEST_F(HistoryTest, ReadsSoundSegmentsOnce) {
  add(Segment::kGood, 100);
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  expect_taken_in(*row);
  for (const auto& [segment, times] : history_.taken) EXPECT_EQ(times, 1) << segment;
}

TEST_F(HistoryTest, KeepsTheProblemsOfMoreDamagedSegmentsThanItNames) {
  add(Segment::kGood);
  add(Segment::kDamaged, kProblemsMax + 100);
  add(Segment::kGood);
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  EXPECT_EQ(row->problems.size(), kProblemsMax + 1);
  expect_taken_in(*row);
}

TEST_F(HistoryTest, BeginsAnewWhenAnotherHistoryTookItsPlace) {
  add(Segment::kGood, 5);
  const auto before = take_in(*index_, history_, true);
  ASSERT_TRUE(before) << before.error().text;
  history_.segments = {Segment::kDamaged, Segment::kDamaged, Segment::kGood};
  const auto row = take_in(*index_, history_, true);
  ASSERT_TRUE(row) << row.error().text;
  EXPECT_NE(row->number, before->number);
  expect_taken_in(*row);
  EXPECT_FALSE(index_->read()->epoch(before->number, Epoch(1))->has_value());
}

}  // namespace
}  // namespace epochfs::engine
