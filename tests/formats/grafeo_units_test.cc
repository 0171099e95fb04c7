#include <gtest/gtest.h>

#include "engine/formats/grafeo/units.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr std::int64_t kNanosMax = std::numeric_limits<std::int64_t>::max();

TEST(GrafeoUnitsTest, TurnsTimesIntoNanosecondsAndBack) {
  EXPECT_EQ(to_utc(UnixMillis(1795245418000)), UtcTime(1795245418000000000));
  EXPECT_EQ(to_unix_millis(UtcTime(1795245418000999999)), UnixMillis(1795245418000));
  EXPECT_EQ(to_utc(UnixMillis(0)), UtcTime(0));
}

TEST(GrafeoUnitsTest, KeepsTimesThatCannotBeWithinBounds) {
  EXPECT_EQ(to_utc(UnixMillis(9223372036854)), UtcTime(9223372036854000000));
  EXPECT_EQ(to_utc(UnixMillis(9223372036855)), UtcTime(kNanosMax));
  EXPECT_EQ(to_utc(UnixMillis(kU64Max)), UtcTime(kNanosMax));
  EXPECT_EQ(to_unix_millis(UtcTime(-1)), UnixMillis(0));
}

}  // namespace
}  // namespace epochfs::engine::grafeo
