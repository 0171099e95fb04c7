#include <gtest/gtest.h>

#include "engine/formats/grafeo/v1_frames.h"
#include "engine/formats/grafeo/v1_scanner.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

using V1Scan = Scan<V1EpochAdvance, V1LogEnd>;

V1Scan scan_v1(ByteView log) {
  return scan_in_pieces(V1Scanner(), std::vector<V1EpochAdvance>(), log,
                        [&] { return log.size(); });
}

Bytes framed(ByteView payload) {
  ByteWriter out;
  put_v1_frame(out, payload);
  return std::move(out).take();
}

// Two epochs and an open transaction: a record, a commit, an epoch; a record, an abort, a commit,
// an epoch; a record.
Bytes sample_v1_log() {
  ByteWriter out;
  put_v1_frame(out, from_hex("00 03 01 01 50"));
  put_v1_commit(out, TransactionId(5));
  put_v1_epoch(out, Epoch(4));
  put_v1_frame(out, Bytes(300));
  put_v1_abort(out, TransactionId(300));
  put_v1_commit(out, TransactionId(70000));
  put_v1_epoch(out, Epoch(300));
  put_v1_frame(out, from_hex("01 03"));
  return std::move(out).take();
}

// Of sample_v1_log(): where its frames end.
constexpr std::size_t kSampleEnds[] = {13, 23, 33, 341, 353, 367, 379, 389};

TEST(GrafeoV1LogTest, WritesTheExamplesByteForByte) {
  ByteWriter out;
  put_v1_commit(out, TransactionId(5));
  put_v1_epoch(out, Epoch(4));
  put_v1_epoch(out, Epoch(300));
  put_v1_abort(out, TransactionId(77));
  put_v1_frame(out, from_hex("00 03 01 01 50"));
  put_v1_frame(out, from_hex("04 03 01 69 02 06"));
  EXPECT_EQ(to_hex(out.view()), to_hex(from_hex("02 00 00 00 23 05 11 91 1a 8f"
                                                "02 00 00 00 26 04 c2 55 6a 85"
                                                "04 00 00 00 26 fb 2c 01 f7 e8 ba 53"
                                                "02 00 00 00 24 4d 74 ce 5c b8"
                                                "05 00 00 00 00 03 01 01 50 71 52 25 a7"
                                                "06 00 00 00 04 03 01 69 02 06 18 c9 1c 49")));
}

TEST(GrafeoV1LogTest, FindsEpochsAndWhatLiesBeforeThem) {
  const V1Scan want{{{Epoch(4), 33, {1, 0, 1}}, {Epoch(300), 379, {1, 1, 1}}},
                    {389, {0, 0, 1}, std::nullopt}};
  EXPECT_EQ(scan_v1(sample_v1_log()), want);
}

TEST(GrafeoV1LogTest, KeepsEpochsThatRepeatOrRunBackwards) {
  ByteWriter out;
  for (const std::uint64_t epoch : {5ULL, 5ULL, 0ULL, ~0ULL}) put_v1_epoch(out, Epoch(epoch));
  const V1Scan scan = scan_v1(out.view());
  ASSERT_EQ(scan.found.size(), 4U);
  EXPECT_EQ(scan.found[1], (V1EpochAdvance{Epoch(5), 20, {}}));
  EXPECT_EQ(scan.found[2].epoch, Epoch(0));
  EXPECT_EQ(scan.found[3].epoch, Epoch(~0ULL));
}

TEST(GrafeoV1LogTest, FindsNothingInAnEmptyLog) {
  EXPECT_EQ(scan_v1({}), (V1Scan{{}, {0, {}, std::nullopt}}));
}

TEST(GrafeoV1LogTest, AnswersTheSameHoweverTheBytesArrive) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Bytes good = sample_v1_log();
  std::vector<Bytes> logs = {good};
  for (int i = 0; i < 50; ++i) {
    logs.push_back(flipped(good, random() % (good.size() * 8)));
    logs.emplace_back(good.begin(),
                      good.begin() + static_cast<std::ptrdiff_t>(random() % good.size()));
  }
  for (const Bytes& log : logs) {
    const V1Scan whole = scan_v1(log);
    const std::vector<V1EpochAdvance> none;
    EXPECT_EQ(scan_in_pieces(V1Scanner(), none, log, [] { return 1; }), whole);
    EXPECT_EQ(scan_in_pieces(V1Scanner(), none, log, [&] { return 1 + random() % 20; }), whole);
  }
}

TEST(GrafeoV1LogTest, FindsWhatLiesBeforeEveryTruncation) {
  const Bytes good = sample_v1_log();
  const V1Scan whole = scan_v1(good);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const V1Scan scan = scan_v1(ByteView(good).first(size));
    const auto* const next = std::ranges::upper_bound(kSampleEnds, size);
    const std::size_t end = next == std::begin(kSampleEnds) ? 0 : *std::prev(next);
    EXPECT_EQ(scan.end.end, end);
    EXPECT_EQ(scan.end.damage.has_value(), end != size) << size;
    if (scan.end.damage) {
      EXPECT_EQ(scan.end.damage->offset, end);
      EXPECT_TRUE(scan.end.damage->is_tail);
    }
    EXPECT_EQ(scan.found.size(), end < 33 ? 0U : end < 379 ? 1U : 2U);
    EXPECT_TRUE(std::ranges::equal(scan.found, std::span(whole.found).first(scan.found.size())));
  }
}

TEST(GrafeoV1LogTest, StopsAtTheFrameOfAnyFlippedBit) {
  const Bytes good = sample_v1_log();
  const V1Scan whole = scan_v1(good);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    const V1Scan scan = scan_v1(flipped(good, bit));
    ASSERT_TRUE(scan.end.damage) << bit;
    const auto* const frame_end = std::ranges::upper_bound(kSampleEnds, bit / 8);
    const std::size_t begin = frame_end == std::begin(kSampleEnds) ? 0 : *std::prev(frame_end);
    EXPECT_EQ(scan.end.damage->offset, begin) << bit;
    EXPECT_EQ(scan.end.end, begin) << bit;
    EXPECT_TRUE(std::ranges::equal(scan.found, std::span(whole.found).first(scan.found.size())));
  }
}

struct DamageCase {
  const char* name;
  std::string_view hex;  // behind a sound frame
  std::string_view reason;
  bool is_tail;
};
constexpr DamageCase kDamageCases[] = {
    {"BadFrameLast", "02 00 00 00 23 05 11 91 1a 8e", "checksum differs", true},
    {"BadFrameThenMore", "02 00 00 00 23 05 11 91 1a 8e 02", "checksum differs", false},
    {"Zeros", "00 00 00 00 00 00 00 00 00 00 00 00", "without a record", true},
    {"ZerosThenMore", "00 00 00 00 00 00 00 00 00 00 00 01", "without a record", false},
    {"EmptyFrameLast", "00 00 00 00 01 02 03 04", "without a record", true},
    {"LengthOverTheCap", "01 00 00 40 00", "1073741825 bytes", false},
    {"LengthAtTheCap", "00 00 00 40 00", "cut after 5 bytes", true},
};

TEST(GrafeoV1LogTest, TellsWhatIsWrongAndWhetherItIsATail) {
  ByteWriter start;
  put_v1_epoch(start, Epoch(4));
  for (const DamageCase& c : kDamageCases) {
    const V1Scan scan = scan_v1(joined({start.view(), from_hex(c.hex)}));
    ASSERT_EQ(scan.found.size(), 1U) << c.name;
    ASSERT_TRUE(scan.end.damage) << c.name;
    EXPECT_EQ(scan.end.damage->offset, 10U) << c.name;
    EXPECT_NE(scan.end.damage->reason.find(c.reason), std::string::npos)
        << c.name << ": " << scan.end.damage->reason;
    EXPECT_EQ(scan.end.damage->is_tail, c.is_tail) << c.name;
  }
}

TEST(GrafeoV1LogTest, RefusesRecordsThatAreNeitherDataNorWholeControlRecords) {
  for (const std::string_view hex : {"27", "ff 01", "26", "26 04 00", "23", "24 fb 01", "25 fe",
                                     "26 fd 01 00 00 00 00 00 00 00 00"})
    EXPECT_TRUE(scan_v1(framed(from_hex(hex))).end.damage) << hex;
  EXPECT_EQ(scan_v1(framed(from_hex("26 fd 01 00 00 00 00 00 00 00"))).found.size(), 1U);
}

TEST(GrafeoV1LogTest, NamesEncryptionWhenTheFirstFrameIsUnreadable) {
  const V1Scan scan = scan_v1(from_hex("02 00 00 00 23 05 00 00 00 00 00 00"));
  ASSERT_TRUE(scan.end.damage);
  EXPECT_NE(scan.end.damage->reason.find("encrypted"), std::string::npos);
}

TEST(GrafeoV1LogTest, PassesALargeRecordThroughInConstantMemory) {
  constexpr std::uint32_t kPieces = 256;
  const Bytes piece(64 * 1024, std::byte{7});
  Crc32 crc;
  for (std::uint32_t i = 0; i < kPieces; ++i) crc.update(piece);
  ByteWriter length;
  length.put_le(static_cast<std::uint32_t>(kPieces * piece.size()));
  ByteWriter rest;
  rest.put_le(crc.value());
  put_v1_epoch(rest, Epoch(9));

  V1Scanner scanner;
  std::vector<V1EpochAdvance> found;
  scanner.push(length.view(), found);
  for (std::uint32_t i = 0; i < kPieces; ++i) scanner.push(piece, found);
  scanner.push(rest.view(), found);
  EXPECT_EQ(found,
            (std::vector<V1EpochAdvance>{{Epoch(9), 8 + kPieces * piece.size() + 10, {0, 0, 1}}}));
  EXPECT_FALSE(scanner.finish().damage);
}

TEST(GrafeoV1LogTest, SurvivesRandomBytes) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5000; ++round) {
    ByteWriter log;
    for (std::size_t i = random() % 4; i > 0; --i)  // sound frames with anything in them
      put_v1_frame(log, random_bytes(random, random() % 12));
    log.put(random_bytes(random, random() % 40));
    const V1Scan scan = scan_v1(log.view());
    ASSERT_LE(scan.end.end, log.size());
    ASSERT_EQ(scan.end.damage.has_value(), scan.end.end != log.size());
  }
}

}  // namespace
}  // namespace epochfs::engine::grafeo
