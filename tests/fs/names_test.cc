#include "fs/names.h"

#include <gtest/gtest.h>

#include "tests/fs/fake_repository.h"

namespace epochfs::fs {
namespace {

using engine::Epoch;

struct EpochNameCase {
  std::string_view name;
  std::optional<std::uint64_t> epoch;
  bool padded;
};
class EpochNameTest : public ::testing::TestWithParam<EpochNameCase> {};

TEST_P(EpochNameTest, AcceptsTheTwoSpellingsOnly) {
  const auto parsed = parse_epoch_name(GetParam().name);
  ASSERT_EQ(parsed.has_value(), GetParam().epoch.has_value()) << GetParam().name;
  if (!parsed) return;
  EXPECT_EQ(parsed->epoch.get(), *GetParam().epoch);
  EXPECT_EQ(parsed->padded, GetParam().padded);
}
INSTANTIATE_TEST_SUITE_P(
    Spellings, EpochNameTest,
    ::testing::Values(EpochNameCase{"0000000412", 412, true}, EpochNameCase{"412", 412, false},
                      EpochNameCase{"9999999999", 9'999'999'999, true},
                      EpochNameCase{"12345678901", 12'345'678'901, true},
                      EpochNameCase{"00412", std::nullopt, false},
                      EpochNameCase{"00000000412", std::nullopt, false},
                      EpochNameCase{"0", 0, false}, EpochNameCase{"", std::nullopt, false},
                      EpochNameCase{"+412", std::nullopt, false},
                      EpochNameCase{"-1", std::nullopt, false},
                      EpochNameCase{"412 ", std::nullopt, false},
                      EpochNameCase{"0x19c", std::nullopt, false},
                      EpochNameCase{"99999999999999999999", std::nullopt, false},
                      EpochNameCase{"latest", std::nullopt, false}));

TEST(NamesTest, SayTheEpochThatTheyAreAbout) {
  const auto facts = testing::fake_facts(412, testing::utc("2026-11-20T12:00:03.120"));
  EXPECT_EQ(epoch_name(facts.epoch), "0000000412");
  EXPECT_EQ(recent_name(facts), "0000000412_2026-11-20T12-00-03.120Z");
  EXPECT_EQ(time_of_day_name(facts), "12-00-03.120Z_0000000412");
  EXPECT_EQ(epoch_in_recent_name(recent_name(facts)), Epoch(412));
  EXPECT_EQ(epoch_in_time_of_day_name(time_of_day_name(facts)), Epoch(412));
}

TEST(NamesTest, AreNotFoundInOtherText) {
  EXPECT_FALSE(epoch_in_recent_name("412_2026-11-20T12-00-03.120Z"));
  EXPECT_FALSE(epoch_in_recent_name("_"));
  EXPECT_FALSE(epoch_in_time_of_day_name("12-00-03.120Z"));
  EXPECT_FALSE(epoch_in_time_of_day_name("12-00-03.120Z_412"));
}

TEST(NamesTest, ReadDigitsOfTheRightNumberOnly) {
  EXPECT_EQ(parse_digits("2026", 4), 2026U);
  EXPECT_EQ(parse_digits("07", 2), 7U);
  EXPECT_FALSE(parse_digits("7", 2));
  EXPECT_FALSE(parse_digits("+7", 2));
  EXPECT_FALSE(parse_digits("007", 2));
}

}  // namespace
}  // namespace epochfs::fs
