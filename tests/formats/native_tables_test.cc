#include <gtest/gtest.h>

#include <array>

#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine::native {
namespace {

constexpr std::array<std::uint64_t, 7> kHostileNumbers = {
    0, 1, 0x80000000, 0xffffffff, 0x100000000, 0x8000000000000000, 0xffffffffffffffff};

std::vector<BlockRow> some_blocks() {
  return {{1000, {1, 2, 3, 4}}, {131'072, {5, 6, 7, 8}}, {7, {9, 0xffffffffffffffff}}};
}
constexpr std::uint32_t kPagesPerBlock = 4;
constexpr std::uint64_t kPages = 10;

std::vector<RecordRow> some_records() {
  return {{PageNo(1), 100, {Epoch(10), Epoch(11), Epoch(15)}},
          {PageNo(1), 200, {Epoch(16)}},
          {PageNo(0xfffffffe), 131'072, {Epoch(10), Epoch(20)}}};
}
constexpr Epoch kStart(10);
constexpr Epoch kEnd(20);

std::vector<EpochFacts> some_epochs() {
  EpochFacts first{.epoch = Epoch(10),
                   .committed = UtcTime(-5),
                   .captured = UtcTime(1'700'000'000'000'000'000),
                   .size_bytes = 4096,
                   .state = StateHash(1, 2),
                   .position = {3, 4, 5, 6},
                   .pages_changed = 7,
                   .commits_folded = 1,
                   .how = Captured::kCommit,
                   .flags = kEpochWalMode};
  EpochFacts second = first;
  second.epoch = Epoch(12);
  second.committed = UtcTime(1'700'000'000'000'000'001);
  second.captured = UtcTime(5);
  second.size_bytes = 512;
  second.how = Captured::kPageDiff;
  second.flags = 0;
  return {first, second};
}

// Parses bytes that may be anything: refused, or the one meaning that writes them again.
template <class Parse, class Encode>
void expect_one_meaning(const Bytes& good, const Parse& parse, const Encode& encode) {
  const auto check = [&](const Bytes& bytes, const std::string& what) {
    const auto parsed = parse(bytes);
    if (parsed) {
      EXPECT_EQ(encode(*parsed), bytes) << what;
    } else {
      EXPECT_EQ(parsed.error().code, Code::kCorrupt) << what;
    }
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes bytes = good;
      bytes[at] = static_cast<std::byte>(value);
      check(bytes, "byte " + std::to_string(at));
    }
  }
  for (const std::uint64_t value : kHostileNumbers) {
    for (std::size_t at = 0; at + 4 <= good.size(); ++at) {
      Bytes bytes = good;
      store_le(MutableByteView(bytes).subspan(at), static_cast<std::uint32_t>(value));
      check(bytes, "u32 at " + std::to_string(at));
      if (at + 8 > good.size()) continue;
      store_le(MutableByteView(bytes).subspan(at), value);
      check(bytes, "u64 at " + std::to_string(at));
    }
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))));
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse(longer));
}

TEST(BlockTableTest, ComesBackAsItWent) {
  const auto blocks = some_blocks();
  const auto parsed = parse_blocks(encode_blocks(blocks), 3, kPagesPerBlock, kPages);
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->size(), blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ((*parsed)[i].stored_bytes, blocks[i].stored_bytes);
    EXPECT_EQ((*parsed)[i].page_hashes, blocks[i].page_hashes);
  }
}

TEST(BlockTableTest, HasOneMeaningOrNone) {
  expect_one_meaning(
      encode_blocks(some_blocks()),
      [](const Bytes& raw) { return parse_blocks(raw, 3, kPagesPerBlock, kPages); },
      [](const std::vector<BlockRow>& rows) { return encode_blocks(rows); });
}

TEST(BlockTableTest, RefusesCountsThatDoNotFit) {
  const Bytes raw = encode_blocks(some_blocks());
  for (const std::uint64_t value : kHostileNumbers) {
    EXPECT_FALSE(parse_blocks(raw, static_cast<std::uint32_t>(value), kPagesPerBlock, kPages));
    EXPECT_FALSE(parse_blocks(raw, 3, kPagesPerBlock, value));
  }
  EXPECT_FALSE(parse_blocks(raw, 3, kPagesPerBlock, kPages - 1));
  EXPECT_FALSE(parse_blocks(raw, 3, kPagesPerBlock, kPages + 1));
  EXPECT_FALSE(parse_blocks(raw, 3, kPagesPerBlock, 8));  // the last block would hold no page
}

TEST(RecordTableTest, ComesBackAsItWent) {
  const auto records = some_records();
  const auto parsed = parse_records(encode_records(records, kStart), 3, kStart, kEnd);
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ((*parsed)[i].page, records[i].page);
    EXPECT_EQ((*parsed)[i].stored_bytes, records[i].stored_bytes);
    EXPECT_EQ((*parsed)[i].epochs, records[i].epochs);
  }
}

TEST(RecordTableTest, HasOneMeaningOrNone) {
  expect_one_meaning(
      encode_records(some_records(), kStart),
      [](const Bytes& raw) { return parse_records(raw, 3, kStart, kEnd); },
      [](const std::vector<RecordRow>& rows) { return encode_records(rows, kStart); });
}

TEST(RecordTableTest, RefusesMoreVersionsThanItsBytesCanHold) {
  std::vector<RecordRow> rows = {{PageNo(1), 0, {}}};
  for (std::uint64_t i = 0; i < kVersionsPerRecordMax; ++i)
    rows[0].epochs.emplace_back(kStart.get() + i);
  const Epoch end(kStart.get() + kVersionsPerRecordMax);
  for (const std::uint32_t bytes :
       {1U, record_bytes_min(kVersionsPerRecordMax) - 1, record_bytes_min(kVersionsPerRecordMax)}) {
    rows[0].stored_bytes = bytes;
    EXPECT_EQ(parse_records(encode_records(rows, kStart), 1, kStart, end).has_value(),
              bytes == record_bytes_min(kVersionsPerRecordMax))
        << bytes;
  }
}

TEST(RecordTableTest, RefusesDisorder) {
  const auto parse = [](const std::vector<RecordRow>& rows) {
    return parse_records(encode_records(rows, kStart), static_cast<std::uint32_t>(rows.size()),
                         kStart, kEnd);
  };
  EXPECT_TRUE(parse({{PageNo(1), 100, {kStart}}, {PageNo(1), 100, {kEnd}}}));
  EXPECT_FALSE(parse({{PageNo(2), 100, {kStart}}, {PageNo(1), 100, {kStart}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {kEnd}}, {PageNo(1), 100, {kEnd}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {kEnd, kStart}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {kStart, kStart}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {Epoch(9)}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {Epoch(21)}}}));
  EXPECT_FALSE(parse({{PageNo(1), 100, {}}}));
  EXPECT_FALSE(parse({{PageNo(1), 0, {kStart}}}));
  EXPECT_FALSE(parse({{PageNo(1), kUnitBytesMax + 1, {kStart}}}));
  EXPECT_FALSE(parse({{PageNo(0), 100, {kStart}}}));
  EXPECT_FALSE(parse({{PageNo(0xffffffff), 1, {kStart}}}));
}

TEST(EpochTableTest, ComesBackAsItWent) {
  const auto epochs = some_epochs();
  const auto parsed = parse_epochs(encode_epochs(epochs), 2);
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(*parsed, epochs);
}

TEST(EpochTableTest, HasOneMeaningOrNone) {
  expect_one_meaning(
      encode_epochs(some_epochs()), [](const Bytes& raw) { return parse_epochs(raw, 2); },
      [](const std::vector<EpochFacts>& rows) { return encode_epochs(rows); });
}

TEST(EpochTableTest, RefusesDisorderAndUnknownValues) {
  const auto parse_with = [](const auto& change) {
    auto epochs = some_epochs();
    change(epochs);
    return parse_epochs(encode_epochs(epochs), static_cast<std::uint32_t>(epochs.size()));
  };
  EXPECT_FALSE(parse_with([](auto& rows) { rows[1].epoch = rows[0].epoch; }));
  EXPECT_FALSE(parse_with([](auto& rows) { rows[0].epoch = Epoch(0); }));
  EXPECT_FALSE(parse_with([](auto& rows) { std::swap(rows[0].epoch, rows[1].epoch); }));
  EXPECT_FALSE(parse_with([](auto& rows) { rows[1].committed = UtcTime(-6); }));
  EXPECT_FALSE(parse_with([](auto& rows) { rows[0].how = static_cast<Captured>(2); }));
  EXPECT_FALSE(parse_with([](auto& rows) { rows[0].flags = 2; }));
}

}  // namespace
}  // namespace epochfs::engine::native
