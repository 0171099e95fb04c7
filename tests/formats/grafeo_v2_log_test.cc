#include <gtest/gtest.h>

#include "engine/formats/grafeo/v2_frames.h"
#include "engine/formats/grafeo/v2_scanner.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

using V2Scan = Scan<V2Group, V2LogEnd>;

constexpr std::uint8_t kWhole = kV2First | kV2Last;

V2Scan scan_v2(Lsn first, ByteView log) {
  return scan_in_pieces(V2Scanner(first), std::vector<V2Group>(), log, [&] { return log.size(); });
}

// Builds the frames of a segment.
class LogBuilder {
 public:
  explicit LogBuilder(Lsn first) : first_(first) {}

  LogBuilder& frame(std::uint8_t flags, ByteView payload, std::uint64_t transaction = 5) {
    put_v2_frame(out_, {here(), TransactionId(transaction), flags}, payload);
    ends_.push_back(out_.size());
    return *this;
  }
  LogBuilder& barrier() {
    out_.put(encode_v2_barrier(here()));
    ends_.push_back(out_.size());
    return *this;
  }
  // A group start for here, with `records` records behind it.
  [[nodiscard]] Bytes start(const V2GroupBegin& begin, std::size_t records) const {
    ByteWriter payload;
    put_v2_group_start(payload, here(), begin);
    for (std::size_t i = 0; i < records; ++i) put_v2_record(payload, 16, Bytes(i));
    return std::move(payload).take();
  }
  [[nodiscard]] Lsn here() const { return Lsn(first_.get() + out_.size()); }
  [[nodiscard]] ByteView bytes() const { return out_.view(); }
  [[nodiscard]] const std::vector<std::size_t>& ends() const { return ends_; }

 private:
  Lsn first_;
  ByteWriter out_;
  std::vector<std::size_t> ends_;  // of frames
};

constexpr V2GroupBegin kBegin4{Epoch(4), UnixMillis(1795245418000), V2Origin::kTransaction};
constexpr V2GroupBegin kBegin300{Epoch(300), UnixMillis(7), V2Origin::kSchema};
constexpr Lsn kFirst(261);

Bytes records(std::size_t count) {
  ByteWriter payload;
  for (std::size_t i = 0; i < count; ++i) put_v2_record(payload, 17, Bytes(3 * i));
  return std::move(payload).take();
}

// A group of one frame, an empty group, a group of three frames, a barrier.
LogBuilder sample_v2_log() {
  LogBuilder log(kFirst);
  log.frame(kWhole, log.start(kBegin4, 2));
  log.barrier();
  log.frame(kV2First, log.start(kBegin300, 0)).frame(0, records(3)).frame(kV2Last, records(1));
  log.barrier();
  return log;
}

TEST(GrafeoV2LogTest, WritesTheBarrierOfTheSpecificationByteForByte) {
  EXPECT_EQ(to_hex(encode_v2_barrier(Lsn(348))),
            to_hex(from_hex("08 00 00 00 c3 1a f4 0a 5c 01 00 00 00 00 00 00"
                            "01 00 00 00 00 00 00 00 03 5c 01 00 00 00 00 00 00")));
}

TEST(GrafeoV2LogTest, WritesAFrameAsTheExampleShowsIt) {
  // The example leaves its last record out, so its length and checksum differ from these.
  LogBuilder log(kFirst);
  ByteWriter payload;
  put_v2_group_start(payload, kFirst,
                     {Epoch(4), UnixMillis(0x1a1fd041903), V2Origin::kTransaction});
  put_v2_record(payload, 16, Bytes(31));
  log.frame(kWhole, payload.view());
  const std::string hex = to_hex(log.bytes());
  EXPECT_EQ(hex.substr(0, 8), "3e000000");
  EXPECT_EQ(hex.substr(16, 34),
            "0501000000000000"
            "0500000000000000"
            "03");
  EXPECT_EQ(hex.substr(50, 62),
            "0501000000000000"
            "01010b00000004fd031904fda101000000"
            "10011f000000");
}

TEST(GrafeoV2LogTest, FindsGroupsAndTheirEpochs) {
  const LogBuilder log = sample_v2_log();
  const auto at = [&](std::size_t frame) { return Lsn(kFirst.get() + log.ends()[frame]); };
  const V2Scan want{{{kFirst, at(0), kFirst, kBegin4, 2},
                     {at(0), at(1), at(0), std::nullopt, 0},
                     {at(1), at(4), at(1), kBegin300, 4},
                     {at(4), at(5), at(4), std::nullopt, 0}},
                    {at(5), std::nullopt}};
  EXPECT_EQ(scan_v2(kFirst, log.bytes()), want);
}

TEST(GrafeoV2LogTest, FindsNothingInASegmentWithoutFrames) {
  EXPECT_EQ(scan_v2(Lsn(kU64Max), {}), (V2Scan{{}, {Lsn(kU64Max), std::nullopt}}));
}

TEST(GrafeoV2LogTest, KeepsAnOriginThatIsNotKnownHere) {
  LogBuilder log(kFirst);
  log.frame(kWhole, log.start({Epoch(1), UnixMillis(2), V2Origin(99)}, 0));
  const V2Scan scan = scan_v2(kFirst, log.bytes());
  ASSERT_EQ(scan.found.size(), 1U);
  EXPECT_EQ(scan.found[0].start->origin, V2Origin(99));
}

TEST(GrafeoV2LogTest, AnswersTheSameHoweverTheBytesArrive) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const LogBuilder log = sample_v2_log();
  const ByteView good = log.bytes();
  std::vector<Bytes> logs = {Bytes(good.begin(), good.end())};
  for (int i = 0; i < 50; ++i) {
    logs.push_back(flipped(good, random() % (good.size() * 8)));
    const ByteView cut = good.first(random() % good.size());
    logs.emplace_back(cut.begin(), cut.end());
  }
  for (const Bytes& bytes : logs) {
    const V2Scan whole = scan_v2(kFirst, bytes);
    const std::vector<V2Group> none;
    EXPECT_EQ(scan_in_pieces(V2Scanner(kFirst), none, bytes, [] { return 1; }), whole);
    EXPECT_EQ(scan_in_pieces(V2Scanner(kFirst), none, bytes, [&] { return 1 + random() % 40; }),
              whole);
  }
}

TEST(GrafeoV2LogTest, FindsWholeGroupsBeforeEveryTruncation) {
  const LogBuilder log = sample_v2_log();
  const V2Scan whole = scan_v2(kFirst, log.bytes());
  for (std::size_t size = 0; size < log.bytes().size(); ++size) {
    const V2Scan scan = scan_v2(kFirst, log.bytes().first(size));
    const auto fits = [&](const V2Group& group) { return group.end.get() - kFirst.get() <= size; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(whole.found, fits));
    const auto expected = std::span(whole.found).first(count);
    EXPECT_TRUE(std::ranges::equal(scan.found, expected)) << size;
    EXPECT_EQ(scan.end.end, count == 0 ? kFirst : expected.back().end);
    const bool is_clean = scan.end.end.get() - kFirst.get() == size;
    EXPECT_EQ(scan.end.damage.has_value(), !is_clean) << size;
    if (scan.end.damage) {
      EXPECT_TRUE(scan.end.damage->is_tail) << size;
    }
  }
}

TEST(GrafeoV2LogTest, StopsAtTheFrameOfAnyFlippedBit) {
  const LogBuilder log = sample_v2_log();
  const V2Scan whole = scan_v2(kFirst, log.bytes());
  for (std::size_t bit = 0; bit < log.bytes().size() * 8; ++bit) {
    const V2Scan scan = scan_v2(kFirst, flipped(log.bytes(), bit));
    ASSERT_TRUE(scan.end.damage) << bit;
    const auto frame_end = std::ranges::upper_bound(log.ends(), bit / 8);
    const std::size_t begin = frame_end == log.ends().begin() ? 0 : *std::prev(frame_end);
    EXPECT_EQ(scan.end.damage->offset, begin) << bit;
    EXPECT_TRUE(std::ranges::equal(scan.found, std::span(whole.found).first(scan.found.size())));
    EXPECT_LE(scan.end.end.get() - kFirst.get(), begin) << bit;
  }
}

void expect_refused(const LogBuilder& log, std::string_view reason) {
  const V2Scan scan = scan_v2(kFirst, log.bytes());
  ASSERT_TRUE(scan.end.damage) << reason;
  EXPECT_NE(scan.end.damage->reason.find(reason), std::string::npos) << scan.end.damage->reason;
  EXPECT_EQ(scan.end.end, kFirst) << reason;
  EXPECT_TRUE(scan.found.empty()) << reason;
}

TEST(GrafeoV2LogTest, RefusesFramesThatMakeNoGroup) {
  LogBuilder log(kFirst);
  expect_refused(LogBuilder(kFirst).frame(kV2Last, records(1)), "outside a group");
  expect_refused(LogBuilder(kFirst).frame(0, records(1)), "outside a group");
  expect_refused(LogBuilder(kFirst).frame(kWhole | 4, log.start(kBegin4, 1)), "flags 0x7");
  LogBuilder nested = LogBuilder(kFirst).frame(kV2First, log.start(kBegin4, 1));
  expect_refused(nested.frame(kWhole, nested.start(kBegin4, 1)), "within another");
  LogBuilder mixed = LogBuilder(kFirst).frame(kV2First, log.start(kBegin4, 1), 5);
  expect_refused(mixed.frame(kV2Last, records(1), 6), "another transaction");
  expect_refused(LogBuilder(kFirst).frame(kV2First, log.start(kBegin4, 1)), "is missing");
}

TEST(GrafeoV2LogTest, RefusesGroupsThatBeginWithSomethingElse) {
  const auto synced = [](std::uint64_t lsn, ByteView rest) {
    ByteWriter payload;
    payload.put_le(lsn);
    payload.put(rest);
    return std::move(payload).take();
  };
  const auto refuse = [](ByteView payload, std::string_view reason, std::uint8_t flags = kWhole) {
    expect_refused(LogBuilder(kFirst).frame(flags, payload), reason);
  };
  refuse({}, "that its frame does not hold");
  refuse(Bytes(7), "that its frame does not hold");
  refuse(synced(262, {}), "synced up to 262");
  refuse(synced(261, {}), "first record", kV2First);
  refuse(synced(0, records(1)), "GroupBegin");
  refuse(synced(0, from_hex("01 01 02 00 00 00 04 05")), "1 byte wanted");
  refuse(synced(0, from_hex("01 01 04 00 00 00 04 05 00 00")), "1 byte left over");
  refuse(synced(0, from_hex("01 01 ff ff ff ff 04 05 00")), "that its frame does not hold");
  ByteWriter long_begin;
  put_v2_record(long_begin, kV2GroupBeginKind, Bytes(100));
  refuse(synced(0, long_begin.view()), "100 bytes wanted");
}

TEST(GrafeoV2LogTest, RefusesARecordThatSpansFrames) {
  LogBuilder log(kFirst);
  const Bytes start = log.start(kBegin4, 1);
  const Bytes cut(start.begin(), start.end() - 1);
  expect_refused(LogBuilder(kFirst).frame(kV2First, cut).frame(kV2Last, records(1)),
                 "that its frame does not hold");
  expect_refused(LogBuilder(kFirst).frame(kV2First, start).frame(kV2Last, from_hex("10 01 05")),
                 "that its frame does not hold");
}

TEST(GrafeoV2LogTest, RefusesFramesOfAnotherPlaceOrSize) {
  const LogBuilder elsewhere = LogBuilder(Lsn(262)).barrier();
  expect_refused(LogBuilder(kFirst).frame(0, {}), "outside");
  const V2Scan moved = scan_v2(kFirst, elsewhere.bytes());
  ASSERT_TRUE(moved.end.damage);
  EXPECT_NE(moved.end.damage->reason.find("says that it is at 262"), std::string::npos);

  Bytes huge(elsewhere.bytes().begin(), elsewhere.bytes().end());
  store_le<std::uint32_t>(huge, kV2PayloadBytesMax + 1);
  const V2Scan large = scan_v2(Lsn(262), huge);
  ASSERT_TRUE(large.end.damage);
  EXPECT_NE(large.end.damage->reason.find("1073741825 bytes"), std::string::npos);
}

TEST(GrafeoV2LogTest, RefusesAFrameBeyondTheLastPosition) {
  const Lsn last(kU64Max - kV2BarrierSize);
  EXPECT_EQ(scan_v2(last, encode_v2_barrier(last)).end, (V2LogEnd{Lsn(kU64Max), std::nullopt}));
  const Lsn beyond(kU64Max - kV2BarrierSize + 1);
  EXPECT_TRUE(scan_v2(beyond, encode_v2_barrier(beyond)).end.damage);
}

TEST(GrafeoV2LogTest, TellsATailFromDamageInTheMiddle) {
  const LogBuilder log = sample_v2_log();
  Bytes bad_last(log.bytes().begin(), log.bytes().end());
  bad_last.back() ^= std::byte{1};
  EXPECT_TRUE(scan_v2(kFirst, bad_last).end.damage->is_tail);
  bad_last.push_back(std::byte{0});
  EXPECT_FALSE(scan_v2(kFirst, bad_last).end.damage->is_tail);
  const V2Scan zeros = scan_v2(kFirst, joined({log.bytes(), Bytes(100)}));
  EXPECT_TRUE(zeros.end.damage->is_tail);
  EXPECT_EQ(zeros.found.size(), 4U);
  EXPECT_FALSE(
      scan_v2(kFirst, joined({log.bytes(), Bytes(100), from_hex("01")})).end.damage->is_tail);
}

TEST(GrafeoV2LogTest, SurvivesRandomBytes) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5000; ++round) {
    const Lsn first(random());
    LogBuilder log(first);
    for (std::size_t i = random() % 4; i > 0; --i) {  // sound frames with anything in them
      Bytes payload = random_bytes(random, random() % 50);
      if (payload.size() >= 14 && random() % 2 == 0)
        std::ranges::copy(from_hex("00 00 00 00 00 00 00 00 01 01 03 00 00 00"), payload.begin());
      log.frame(static_cast<std::uint8_t>(random() % 5), payload, random() % 2);
    }
    const Bytes bytes = joined({log.bytes(), random_bytes(random, random() % 40)});
    const V2Scan scan = scan_v2(first, bytes);
    ASSERT_LE(scan.end.end.get() - first.get(), bytes.size());
    ASSERT_EQ(scan.end.damage.has_value(), scan.end.end.get() - first.get() != bytes.size());
  }
}

}  // namespace
}  // namespace epochfs::engine::grafeo
