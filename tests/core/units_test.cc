#include "engine/core/units.h"

#include <gtest/gtest.h>

namespace epochfs::engine {
namespace {

TEST(PageSizeTest, IsAPowerOfTwoFrom512To65536) {
  for (std::uint64_t bytes = 0; bytes <= 140'000; ++bytes) {
    bool want = false;
    for (std::uint64_t size = 512; size <= 65536; size *= 2) want = want || bytes == size;
    const auto size = PageSize::from(bytes);
    ASSERT_EQ(size.has_value(), want) << bytes;
    EXPECT_EQ(size ? size->bytes() : bytes, bytes);
  }
  EXPECT_EQ(PageSize::from((std::uint64_t{1} << 32) + 4096).error().code, Code::kCorrupt);
}

TEST(PageSizeTest, CountsPartialPages) {
  const PageSize size = *PageSize::from(512);
  EXPECT_EQ(size.pages_in(0), 0U);
  EXPECT_EQ(size.pages_in(1), 1U);
  EXPECT_EQ(size.pages_in(512), 1U);
  EXPECT_EQ(size.pages_in(513), 2U);
  EXPECT_EQ(size.pages_in(~std::uint64_t{0}), std::uint64_t{1} << 55);
}

TEST(PageSizeTest, PlacesPages) {
  const PageSize size = *PageSize::from(65536);
  EXPECT_EQ(size.offset_of(PageNo(1)), 0U);
  EXPECT_EQ(size.offset_of(PageNo(0xfffffffe)), std::uint64_t{0xfffffffd} * 65536);
  for (const std::uint32_t page : {1U, 2U, 1000U, 0xfffffffeU}) {
    EXPECT_EQ(size.page_at(size.offset_of(PageNo(page))), PageNo(page));
    EXPECT_EQ(size.page_at(size.offset_of(PageNo(page)) + 65535), PageNo(page));
  }
}

TEST(StrongTest, ComparesByValue) {
  EXPECT_LT(Epoch(1), Epoch(2));
  EXPECT_EQ(Epoch(), Epoch(0));
  static_assert(!std::is_convertible_v<std::uint64_t, Epoch>);
  static_assert(!std::is_convertible_v<Epoch, std::uint64_t>);
}

}  // namespace
}  // namespace epochfs::engine
