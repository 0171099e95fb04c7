#include <gtest/gtest.h>

#include "engine/formats/grafeo/gbak.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

TEST(GrafeoGbakTest, ReadsAndWritesTheExampleByteForByte) {
  const Bytes example = from_hex(
      "47 42 41 4b 01 00 00 00  04 00 00 00 00 00 00 00"
      "08 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00");
  const GbakHeader header{Generation::kV1, Epoch(4), Epoch(8), 1};
  EXPECT_EQ(parse_gbak_header(example).value(), header);
  EXPECT_EQ(to_hex(encode_gbak_header(header)), to_hex(example));
}

TEST(GrafeoGbakTest, ReadsBackWhatItWritesAndIgnoresWhatFollows) {
  const GbakHeader header{Generation::kV2, Epoch(4), Epoch(3), kU64Max};
  const Bytes rest(5);
  EXPECT_EQ(parse_gbak_header(joined({encode_gbak_header(header), rest})).value(), header);
}

TEST(GrafeoGbakTest, RefusesOtherFilesAndSaysWhatIsNewer) {
  const auto good = encode_gbak_header({Generation::kV2, Epoch(1), Epoch(2), 1});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(code_of(parse_gbak_header(ByteView(good).first(size))), Code::kCorrupt);
  for (std::size_t bit = 0; bit < 32; ++bit)
    EXPECT_EQ(code_of(parse_gbak_header(flipped(good, bit))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_gbak_header(flipped(good, 32))), Code::kUnsupported);  // version 3
  EXPECT_EQ(code_of(parse_gbak_header(flipped(good, 33))), Code::kCorrupt);      // version 0
}

struct SegmentCase {
  const char* name;
  std::uint64_t length, at, file_bytes;
  bool fits;
};
constexpr SegmentCase kSegmentCases[] = {
    {"fills the file", 128, 32, 168, true},
    {"is followed by another", 128, 32, 400, true},
    {"ends beyond the file", 129, 32, 168, false},
    {"is longer than any file", kU64Max, 32, 168, false},
    {"is shorter than its header", 127, 32, 400, false},
    {"has its length cut", 128, 161, 168, false},
    {"lies behind the file", 128, 169, 168, false},
    {"lies where offsets end", 128, kU64Max, kU64Max, false},
};

TEST(GrafeoGbakTest, FindsASegmentOnlyWithinItsFile) {
  for (const SegmentCase& c : kSegmentCases) {
    ByteWriter field;
    field.put_le(c.length);
    const auto range = locate_gbak_segment(field.view(), c.at, c.file_bytes);
    ASSERT_EQ(range.has_value(), c.fits) << c.name;
    if (c.fits) {
      EXPECT_EQ(*range, (ByteRange{40, 128})) << c.name;
    } else {
      EXPECT_EQ(range.error().code, Code::kCorrupt) << c.name;
    }
  }
  EXPECT_EQ(code_of(locate_gbak_segment(Bytes(7), 32, 1000)), Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine::grafeo
