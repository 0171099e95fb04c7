#include "engine/core/time.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace epochfs::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr UtcTime kNoon = UtcTime(1'795'176'000 * kSecond);  // 2026-11-20T12:00:00Z
constexpr UtcTime kNow = UtcTime(kNoon.get() + 42);
constexpr UtcTime kFirst = UtcTime(std::numeric_limits<std::int64_t>::min());
constexpr UtcTime kLast = UtcTime(std::numeric_limits<std::int64_t>::max());

struct Spelling {
  const char* text;
  std::int64_t want;  // nanoseconds after noon
};
constexpr std::int64_t kMidnight = -12 * kHour;
constexpr Spelling kSpellings[] = {
    {"2026-11-20", kMidnight},
    {"2026-11-20T12", 0},
    {"2026-11-20T12:00", 0},
    {"2026-11-20T12:00:00", 0},
    {"2026-11-20t12:00:00z", 0},
    {"2026-11-20 12:00:03", 3 * kSecond},
    {"2026-11-20_12:00:03", 3 * kSecond},
    {"2026-11-20 12:00:03.1", 3'199'999'999},
    {"2026-11-20 12:00:03.12", 3'129'999'999},
    {"2026-11-20 12:00:03,120", 3'120'999'999},
    {"2026-11-20T12:00:03.120456789Z", 3'120'456'789},
    {"2026-11-20T12-00-03.120Z", 3'120'999'999},
    {"2026-11-20T12-00", 0},
    {"2026-11-20T12-05", 5 * kMinute},
    {"2026-11-20T12Z", 0},
    {"2026-11-20T12:00Z", 0},
    {"2026-11-20T12:00+02:00", -2 * kHour},
    {"2026-11-20T12:00-05:00", 5 * kHour},
    {"2026-11-20T12:00-0530", 5 * kHour + 30 * kMinute},
    {"2026-11-20T12:00+02", -2 * kHour},
    {"2026-11-20T12+02:00", -2 * kHour},
    {"2026-11-20T12:00:03.5-01:00", kHour + 3'599'999'999},
    {"2026-11-20T23:59:60", 12 * kHour},
    {"now", 42},
    {"0s-ago", 42},
    {"90s-ago", 42 - 90 * kSecond},
    {"15m-ago", 42 - 15 * kMinute},
    {"15min-ago", 42 - 15 * kMinute},
    {"2h-ago", 42 - 2 * kHour},
    {"3d-ago", 42 - 3 * kDay},
    {"1w-ago", 42 - 7 * kDay},
};

TEST(ParseMomentTest, UnderstandsEverySpelling) {
  for (const Spelling& spelling : kSpellings) {
    const auto moment = parse_moment(spelling.text, kNow);
    ASSERT_TRUE(moment) << spelling.text;
    EXPECT_EQ(moment->get() - kNoon.get(), spelling.want) << spelling.text;
  }
}

TEST(ParseMomentTest, RefusesWhatIsNoMoment) {
  for (const char* text : {"",
                           " ",
                           "today",
                           "412",
                           "latest",
                           "2026",
                           "2026-11",
                           "2026-11-",
                           "2026-1-2",
                           "26-11-20",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-11-00",
                           "2026-11-31",
                           "2026-02-29",
                           "1900-02-29",
                           "2026-11-20T",
                           "2026-11-20T24",
                           "2026-11-20T1",
                           "2026-11-20T12:",
                           "2026-11-20T12:60",
                           "2026-11-20T12:00:61",
                           "2026-11-20T12:00:03.",
                           "2026-11-20T12:00.5",
                           "2026-11-20T12.5",
                           "2026-11-20T12:00:03.1234567890",
                           "2026-11-20T12:00ZZ",
                           "2026-11-20T12:00Z+02:00",
                           "2026-11-20T12:00 ",
                           " 2026-11-20",
                           "2026-11-20Z",
                           "2026-11-20T12:00+",
                           "2026-11-20T12:00+2",
                           "2026-11-20T12:00+02:",
                           "2026-11-20T12:00+02:60",
                           "2026-11-20T12:00+16:00",
                           "2026-11-20T12:00+02:00:00",
                           "2026-11-20T12-05:00",
                           "2026-11-20T-1",
                           "+026-11-20",
                           "-026-11-20",
                           "1677-12-31",
                           "2262-01-01",
                           "9999-12-31",
                           "s-ago",
                           "5-ago",
                           "-5s-ago",
                           "+5s-ago",
                           " 5s-ago",
                           "5s",
                           "5 s-ago",
                           "5y-ago",
                           "5S-ago",
                           "1.5h-ago",
                           "5sm-ago",
                           "-ago",
                           "9223372036854775807w-ago",
                           "9223372036854775808s-ago",
                           "NOW"})
    EXPECT_FALSE(parse_moment(text, kNow)) << text;
  EXPECT_FALSE(parse_moment(std::string_view("2026-11-20\0", 11), kNow));
}

TEST(ParseMomentTest, RefusesAMomentBeforeAllTime) {
  EXPECT_TRUE(parse_moment("1s-ago", UtcTime(kFirst.get() + kSecond)));
  EXPECT_FALSE(parse_moment("2s-ago", UtcTime(kFirst.get() + kSecond)));
}

TEST(ParseMomentTest, KnowsLeapYears) {
  EXPECT_EQ(parse_moment("2024-02-29", kNow)->get(), 1'709'164'800 * kSecond);
  EXPECT_EQ(parse_moment("2000-02-29", kNow)->get(), 951'782'400 * kSecond);
  EXPECT_EQ(parse_moment("2024-03-01", kNow)->get() - parse_moment("2024-02-28", kNow)->get(),
            2 * kDay);
  EXPECT_EQ(parse_moment("2100-03-01", kNow)->get() - parse_moment("2100-02-28", kNow)->get(),
            kDay);
}

TEST(ParseMomentTest, ReachesTheFirstAndTheLastYear) {
  EXPECT_EQ(format_utc(*parse_moment("1678-01-01T00:00+15:59", kNow)),
            "1677-12-31T08:01:00.000000000Z");
  EXPECT_EQ(format_utc(*parse_moment("2261-12-31T23:59:60-15:59", kNow)),
            "2262-01-01T15:59:00.000000000Z");
}

TEST(FormatTest, PrintsNanosMillisAndFileNames) {
  const UtcTime moment(kNoon.get() + 3 * kSecond + 120'456'789);
  EXPECT_EQ(format_utc(moment), "2026-11-20T12:00:03.120456789Z");
  EXPECT_EQ(format_utc_millis(moment), "2026-11-20T12:00:03.120Z");
  EXPECT_EQ(format_utc_filename(moment), "2026-11-20T12-00-03.120Z");
}

TEST(FormatTest, PrintsTimesBefore1970) {
  EXPECT_EQ(format_utc(UtcTime(0)), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format_utc(UtcTime(-1)), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(format_utc(UtcTime(-kDay)), "1969-12-31T00:00:00.000000000Z");
  EXPECT_EQ(format_utc_millis(UtcTime(-kDay - 1)), "1969-12-30T23:59:59.999Z");
}

TEST(FormatTest, PrintsTheFirstAndTheLastMoment) {
  EXPECT_EQ(format_utc(kFirst), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(format_utc(kLast), "2262-04-11T23:47:16.854775807Z");
}

TEST(CalendarDayTest, HoldsItsMoments) {
  EXPECT_EQ(utc_day(kNoon), (CalendarDay{2026, 11, 20}));
  EXPECT_EQ(utc_day(UtcTime(-1)), (CalendarDay{1969, 12, 31}));
  EXPECT_EQ(start_of({2026, 11, 20}).get(), kNoon.get() + kMidnight);
  EXPECT_EQ(utc_day(start_of({2024, 2, 29})), (CalendarDay{2024, 2, 29}));
}

TEST(CalendarDayTest, StaysWithinAllTime) {
  EXPECT_EQ(start_of(utc_day(kFirst)), kFirst);
  EXPECT_EQ(start_of({2262, 4, 12}), kLast);
  EXPECT_EQ(start_of({-1000, 1, 1}), kFirst);
}

TEST(TimeTest, SelectsWhatWasPrinted) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> moments(start_of({1678, 1, 1}).get(),
                                                      start_of({2262, 1, 1}).get() - 1);
  for (int i = 0; i < 20'000; ++i) {
    const UtcTime moment(moments(random));
    EXPECT_EQ(parse_moment(format_utc(moment), kNow), moment);
    for (const std::string& text : {format_utc_millis(moment), format_utc_filename(moment)}) {
      const auto parsed = parse_moment(text, kNow);
      ASSERT_TRUE(parsed) << text;
      EXPECT_GE(*parsed, moment) << text;
      EXPECT_EQ(format_utc_millis(*parsed), format_utc_millis(moment));
    }
    const CalendarDay day = utc_day(moment);
    EXPECT_LE(start_of(day), moment);
    EXPECT_GT(start_of(day).get() + kDay, moment.get());
  }
}

TEST(TimeTest, TellsTheTimeOfDay) {
  const UtcTime before = utc_now();
  EXPECT_GE(before, start_of({2024, 1, 1}));
  EXPECT_LT(before, kLast);
}

}  // namespace
}  // namespace epochfs::engine
