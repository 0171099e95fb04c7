#include <gtest/gtest.h>

#include "engine/formats/grafeo/v2_segment.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

V2SegmentHeader some_header() {
  V2SegmentHeader header{{}, Lsn(261), UnixMillis(1795245418000)};
  header.database_id.fill(std::byte{0xab});
  return header;
}

template <class T>
Bytes changed(std::size_t at, T value) {
  const auto raw = encode_v2_segment_header(some_header());
  Bytes bytes(raw.begin(), raw.end());
  store_le<T>(MutableByteView(bytes).subspan(at), value);
  store_le(MutableByteView(bytes).subspan(124), crc_of_bytes(ByteView(bytes).first(124)));
  return bytes;
}

TEST(GrafeoV2SegmentTest, LaysItsHeaderOutAsSpecified) {
  const auto raw = encode_v2_segment_header(some_header());
  EXPECT_EQ(to_hex(ByteView(raw).first(48)),
            to_hex(from_hex("47 52 41 46 57 41 4c 00  02 00 80 00 00 00 00 00"
                            "ab ab ab ab ab ab ab ab  ab ab ab ab ab ab ab ab"
                            "05 01 00 00 00 00 00 00  10 26 f7 fc a1 01 00 00")));
  EXPECT_EQ(to_hex(ByteView(raw).subspan(48, 76)), std::string(152, '0'));
  EXPECT_EQ(load_le<std::uint32_t>(ByteView(raw).subspan(124)),
            crc_of_bytes(ByteView(raw).first(124)));
}

TEST(GrafeoV2SegmentTest, ReadsBackWhatItWritesAndIgnoresWhatFollows) {
  const Bytes rest(9);
  EXPECT_EQ(
      parse_v2_segment_header(joined({encode_v2_segment_header(some_header()), rest})).value(),
      some_header());
}

TEST(GrafeoV2SegmentTest, RefusesEveryTruncationAndEveryFlippedBit) {
  const auto good = encode_v2_segment_header(some_header());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(code_of(parse_v2_segment_header(ByteView(good).first(size))), Code::kCorrupt);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit)
    EXPECT_EQ(code_of(parse_v2_segment_header(flipped(good, bit))), Code::kCorrupt) << bit;
}

TEST(GrafeoV2SegmentTest, SaysWhyItCannotReadOne) {
  EXPECT_EQ(code_of(parse_v2_segment_header(changed<std::uint16_t>(8, 3))), Code::kUnsupported);
  EXPECT_EQ(code_of(parse_v2_segment_header(changed<std::uint16_t>(8, 1))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_v2_segment_header(changed<std::uint16_t>(10, 64))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_v2_segment_header(changed<std::uint32_t>(12, 1))), Code::kUnsupported);
  EXPECT_EQ(code_of(parse_v2_segment_header(changed<std::uint32_t>(12, 0x8000))),
            Code::kUnsupported);
  EXPECT_TRUE(parse_v2_segment_header(changed<std::uint32_t>(12, 0xffff0000)));
  EXPECT_TRUE(parse_v2_segment_header(changed<std::uint64_t>(108, kU64Max)));
}

TEST(GrafeoV2SegmentTest, NamesSegmentsAfterTheirPlace) {
  EXPECT_EQ(v2_segment_name(Lsn(261)), "wal_00000000000000000261.log");
  EXPECT_EQ(v2_segment_name(Lsn(kU64Max)), "wal_18446744073709551615.log");
  for (const std::uint64_t lsn : {std::uint64_t{0}, std::uint64_t{261}, kU64Max})
    EXPECT_EQ(parse_v2_segment_name(v2_segment_name(Lsn(lsn))), Lsn(lsn));
  for (const std::string_view other :
       {"", "wal_00000000.log", "wal_0000000000000000026x.log", "wal_99999999999999999999.log",
        "wal_+0000000000000000261.log", "Wal_00000000000000000261.log",
        "wal_00000000000000000261.lox", "wal_000000000000000000261.log", "backup_cursor.meta"})
    EXPECT_EQ(parse_v2_segment_name(other), std::nullopt) << other;
}

TEST(GrafeoV2SegmentTest, EndsWhereItsBytesEnd) {
  EXPECT_EQ(v2_segment_end(Lsn(261), 128).value(), Lsn(261));
  EXPECT_EQ(v2_segment_end(Lsn(261), 161).value(), Lsn(294));
  EXPECT_EQ(v2_segment_end(Lsn(kU64Max - 33), 161).value(), Lsn(kU64Max));
  EXPECT_EQ(code_of(v2_segment_end(Lsn(kU64Max - 32), 161)), Code::kCorrupt);
  EXPECT_EQ(code_of(v2_segment_end(Lsn(0), 127)), Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine::grafeo
