#include "engine/core/bytes.h"

#include <gtest/gtest.h>

#include <limits>

namespace epochfs::engine {
namespace {

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(ByteOrderTest, StoresAndLoadsBothWays) {
  ByteWriter out;
  out.put_le<std::uint32_t>(0x01020304);
  out.put_be<std::uint32_t>(0x01020304);
  out.put_le<std::int16_t>(-2);
  out.put_be<std::uint64_t>(kMax - 1);
  const Bytes want = bytes_of(
      {4, 3, 2, 1, 1, 2, 3, 4, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe});
  ASSERT_EQ(Bytes(out.view().begin(), out.view().end()), want);
  ByteCursor in(out.view());
  EXPECT_EQ(in.take_le<std::uint32_t>(), 0x01020304U);
  EXPECT_EQ(in.take_be<std::uint32_t>(), 0x01020304U);
  EXPECT_EQ(in.take_le<std::int16_t>(), -2);
  EXPECT_EQ(in.take_be<std::uint64_t>(), kMax - 1);
  EXPECT_TRUE(in.expect_end());
}

TEST(ByteOrderTest, KeepsTheExtremesOfEveryWidth) {
  Bytes bytes(8);
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                   std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
    store_le<std::int64_t>(bytes, value);
    EXPECT_EQ(load_le<std::int64_t>(bytes), value);
    store_be<std::int64_t>(bytes, value);
    EXPECT_EQ(load_be<std::int64_t>(bytes), value);
  }
  store_le<std::uint8_t>(bytes, 200);
  EXPECT_EQ(load_be<std::uint8_t>(bytes), 200);
}

TEST(FieldTest, LiesWhereItsTableSays) {
  constexpr Field<std::uint16_t, 0> kFirst;
  constexpr Field<std::uint32_t, kFirst.end> kSecond;
  static_assert(kSecond.offset == 2 && kSecond.end == 6);
  std::array<std::byte, kSecond.end> record{};
  store(std::span(record), kFirst, 0x0102);
  store(std::span(record), kSecond, 0x03040506);
  EXPECT_EQ(Bytes(record.begin(), record.end()), bytes_of({2, 1, 6, 5, 4, 3}));
  const std::span<const std::byte, kSecond.end> view(record);
  EXPECT_EQ(load(view, kFirst), 0x0102);
  EXPECT_EQ(load(view, kSecond), 0x03040506U);
}

TEST(ByteCursorTest, NeverLeavesItsSpan) {
  const Bytes bytes = bytes_of({1, 2, 3});
  ByteCursor in(bytes);
  EXPECT_FALSE(in.take(4));
  EXPECT_FALSE(in.take(std::numeric_limits<std::size_t>::max()));
  EXPECT_FALSE(in.take_le<std::uint32_t>());
  EXPECT_FALSE(in.take_be<std::uint64_t>());
  EXPECT_FALSE(in.take<4>());
  EXPECT_EQ(in.left(), 3U) << "what fails takes nothing";
  EXPECT_EQ(in.take(4).error().code, Code::kCorrupt);
  ASSERT_TRUE(in.take(2));
  EXPECT_EQ(in.expect_end().error().code, Code::kCorrupt);
  const auto last = in.take<1>();
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)[0], std::byte{3});
  EXPECT_TRUE(in.expect_end());
  EXPECT_TRUE(in.take(0));
  EXPECT_FALSE(in.take(1));
  EXPECT_FALSE(in.take_varint());
}

TEST(VarintTest, KeepsEveryBound) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t near : {kMax, std::uint64_t{0}, std::uint64_t{1}}) {
      const std::uint64_t value = (std::uint64_t{1} << bit) + near;
      ByteWriter out;
      out.put_varint(value);
      unsigned width = 1;
      while (width < 10 && value >> (7 * width) != 0) ++width;
      EXPECT_EQ(out.size(), width) << value;
      ByteCursor in(out.view());
      EXPECT_EQ(in.take_varint(), value);
      EXPECT_TRUE(in.expect_end());
    }
  }
  ByteWriter out;
  out.put_varint(kMax);
  EXPECT_EQ(out.size(), 10U);
  EXPECT_EQ(ByteCursor(out.view()).take_varint(), kMax);
}

TEST(VarintTest, RefusesWhatIsNotTheShortestForm) {
  for (const Bytes& bytes :
       {bytes_of({0x80, 0x00}), bytes_of({0xff, 0x00}), bytes_of({0x80, 0x80, 0x00}),
        bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00})})
    EXPECT_EQ(ByteCursor(bytes).take_varint().error().code, Code::kCorrupt);
}

TEST(VarintTest, RefusesMoreThan64Bits) {
  EXPECT_EQ(ByteCursor(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}))
                .take_varint()
                .error()
                .code,
            Code::kCorrupt);
  EXPECT_FALSE(ByteCursor(Bytes(10, std::byte{0xff})).take_varint());
  EXPECT_FALSE(ByteCursor(Bytes(20, std::byte{0x80})).take_varint());
  EXPECT_FALSE(
      ByteCursor(bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x00}))
          .take_varint());
}

TEST(VarintTest, RefusesEveryTruncation) {
  ByteWriter out;
  out.put_varint(kMax);
  for (std::size_t size = 0; size < out.size(); ++size)
    EXPECT_EQ(ByteCursor(out.view().first(size)).take_varint().error().code, Code::kCorrupt);
}

TEST(CopyBytesTest, CopiesAllToTheBeginning) {
  Bytes to = to_bytes("-----");
  copy_bytes(as_bytes("abc"), to);
  EXPECT_EQ(as_text(to), "abc--");
  copy_bytes({}, to);
  copy_bytes({}, {});
  EXPECT_EQ(as_text(to), "abc--");
}

TEST(BufferTest, LeavesNothingBehindWhenItIsMoved) {
  Buffer first(3);
  std::ranges::copy(as_bytes("abc"), first.bytes().begin());
  Buffer second(std::move(first));
  EXPECT_EQ(as_text(second.bytes()), "abc");
  EXPECT_EQ(first.size(), 0U);  // NOLINT(bugprone-use-after-move): what is asked here
  Buffer third(7);
  third = std::move(second);
  EXPECT_EQ(as_text(third.bytes()), "abc");
  EXPECT_TRUE(second.bytes().empty());  // NOLINT(bugprone-use-after-move)
}

TEST(ByteWriterTest, GivesItsBytesAway) {
  ByteWriter out;
  out.put(as_bytes("abc"));
  out.put(ByteView());
  EXPECT_EQ(as_text(out.view()), "abc");
  EXPECT_EQ(std::move(out).take(), to_bytes("abc"));
  ByteWriter cleared;
  cleared.put(as_bytes("abc"));
  cleared.clear();
  EXPECT_EQ(cleared.size(), 0U);
}

}  // namespace
}  // namespace epochfs::engine
