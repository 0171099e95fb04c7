#include <gtest/gtest.h>

#include "engine/formats/grafeo/cursor.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr UnixMillis kWritten(1795245418000);

BackupCursor version_1_cursor(std::uint64_t epoch) {
  return {Generation::kV1, Epoch(epoch), 2, Lsn(0), kWritten};
}
constexpr BackupCursor kVersion2{Generation::kV2, Epoch(300), 0, Lsn(0xffffffffffffffff), kWritten};

TEST(GrafeoCursorTest, ReadsAndWritesTheExampleOfVersion1ByteForByte) {
  const Bytes example = from_hex("fb 2c 01 02 fd 10 26 f7 fc a1 01 00 00");
  EXPECT_EQ(to_hex(encode_cursor(version_1_cursor(300))), to_hex(example));
  EXPECT_EQ(parse_cursor(example).value(), version_1_cursor(300));
}

TEST(GrafeoCursorTest, ReadsAndWritesJsonAsGrafeoDoes) {
  const std::string json =
      "{\n  \"backed_up_epoch\": 24,\n  \"log_sequence\": 0,\n  \"wal_lsn\": 758159,\n"
      "  \"timestamp_ms\": 1795262345074\n}";
  const BackupCursor cursor{Generation::kV2, Epoch(24), 0, Lsn(758159), UnixMillis(1795262345074)};
  EXPECT_EQ(parse_cursor(as_bytes(json)).value(), cursor);
  EXPECT_EQ(as_text(encode_cursor(cursor)), json + "\n");
  EXPECT_EQ(parse_cursor(encode_cursor(kVersion2)).value(), kVersion2);
}

TEST(GrafeoCursorTest, TellsAVersion1CursorFromJsonAtEveryEpoch) {
  for (std::uint64_t epoch = 0; epoch < 512; ++epoch)
    EXPECT_EQ(parse_cursor(encode_cursor(version_1_cursor(epoch))).value(),
              version_1_cursor(epoch));
}

TEST(GrafeoCursorTest, RefusesEveryTruncationAndBytesLeftOver) {
  for (const BackupCursor& cursor : {version_1_cursor(300), kVersion2}) {
    Bytes good = encode_cursor(cursor);
    good.push_back(std::byte{0});
    EXPECT_EQ(code_of(parse_cursor(good)), Code::kCorrupt);
    good.resize(good.size() - (cursor.generation == Generation::kV2 ? 2 : 1));  // and a line's end
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_EQ(code_of(parse_cursor(ByteView(good).first(size))), Code::kCorrupt) << size;
  }
}

TEST(GrafeoCursorTest, RefusesAFieldThatIsMissing) {
  EXPECT_EQ(
      code_of(parse_cursor(as_bytes(R"({"backed_up_epoch":1,"log_sequence":0,"timestamp_ms":2})"))),
      Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine::grafeo
