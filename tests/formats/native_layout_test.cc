#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine::native {
namespace {

constexpr std::array<std::uint64_t, 9> kHostile = {0,
                                                   1,
                                                   0x7fffffff,
                                                   0x80000000,
                                                   0xffffffff,
                                                   0x100000000,
                                                   0x7fffffffffffffff,
                                                   0x8000000000000000,
                                                   0xffffffffffffffff};

Footer full_footer() {
  return {.kind = SegmentKind::kFull,
          .page_size = 4096,
          .block_size = 32768,
          .epoch_count = 1,
          .start_epoch = Epoch(0),
          .end_epoch = Epoch(7),
          .base_epoch = Epoch(0),
          .image_bytes = 100'000,
          .unit_count = 4,
          .version_count = 25,
          .tables_offset = 50'000,
          .tables_bytes = 900,
          .tables_hash = 0x0123456789abcdef};
}

Footer incremental_footer() {
  return {.kind = SegmentKind::kIncremental,
          .page_size = 4096,
          .block_size = 0,
          .epoch_count = 3,
          .start_epoch = Epoch(8),
          .end_epoch = Epoch(10),
          .base_epoch = Epoch(7),
          .image_bytes = 100'000,
          .unit_count = 5,
          .version_count = 9,
          .tables_offset = 5'000,
          .tables_bytes = 400,
          .tables_hash = 1};
}

Footer log_footer() {
  return {.kind = SegmentKind::kLog,
          .page_size = 65536,
          .block_size = 65536,
          .epoch_count = 0,
          .start_epoch = Epoch(4),
          .end_epoch = Epoch(3),  // nothing but a schema
          .base_epoch = Epoch(0),
          .image_bytes = 100'000,
          .unit_count = 2,
          .version_count = 2,
          .tables_offset = 50'000,
          .tables_bytes = 300,
          .tables_hash = 2};
}

std::uint64_t object_bytes(const Footer& footer) {
  return footer.tables_offset + footer.tables_bytes + kFooterSize;
}

// The footer frame with its hash made right again.
Bytes rehashed(Bytes frame) {
  const MutableByteView content = MutableByteView(frame).subspan(kFrameHeaderSize);
  store_le(content.subspan(footer_fields::kHash.offset),
           page_hash(content.first(footer_fields::kHash.offset)));
  return frame;
}

Code code_of(const Result<Footer>& result) {
  return result ? throw std::logic_error("parsed") : result.error().code;
}

TEST(FooterTest, ComesBackAsItWent) {
  for (const Footer& footer : {full_footer(), incremental_footer(), log_footer()}) {
    const Bytes frame = encode_footer(footer);
    ASSERT_EQ(frame.size(), kFooterSize);
    const auto parsed = parse_footer(frame, object_bytes(footer));
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(*parsed, footer);
  }
}

TEST(FooterTest, RefusesEveryFlippedBit) {
  const Footer footer = full_footer();
  const Bytes good = encode_footer(footer);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto parsed = parse_footer(bad, object_bytes(footer));
    ASSERT_FALSE(parsed) << "bit " << bit;
    EXPECT_EQ(parsed.error().code, Code::kCorrupt) << "bit " << bit;
  }
}

TEST(FooterTest, RefusesEveryTruncationAndAnObjectOfAnotherSize) {
  const Footer footer = full_footer();
  const Bytes good = encode_footer(footer);
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_footer(ByteView(good).first(size), object_bytes(footer)));
  for (const std::uint64_t bytes : kHostile) EXPECT_FALSE(parse_footer(good, bytes));
  EXPECT_FALSE(parse_footer(good, object_bytes(footer) + 1));
  EXPECT_FALSE(parse_footer(good, object_bytes(footer) - 1));
}

TEST(FooterTest, TellsANewerVersionFromDamage) {
  const Footer footer = full_footer();
  Bytes newer = encode_footer(footer);
  store_le(MutableByteView(newer).subspan(kFrameHeaderSize + footer_fields::kVersion.offset), 3U);
  EXPECT_EQ(code_of(parse_footer(newer, object_bytes(footer))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_footer(rehashed(newer), object_bytes(footer))), Code::kUnsupported);
}

TEST(FooterTest, RefusesUnknownFlagsOfTheLowHalfAndIgnoresTheHighHalf) {
  const Footer footer = full_footer();
  for (unsigned bit = 0; bit < 32; ++bit) {
    Bytes flagged = encode_footer(footer);
    store_le(MutableByteView(flagged).subspan(kFrameHeaderSize + footer_fields::kFlags.offset),
             std::uint32_t{1} << bit);
    const auto parsed = parse_footer(rehashed(flagged), object_bytes(footer));
    if (bit < 16) {
      ASSERT_FALSE(parsed) << bit;
      EXPECT_EQ(parsed.error().code, Code::kUnsupported) << bit;
    } else {
      ASSERT_TRUE(parsed) << bit;
      EXPECT_EQ(*parsed, footer);
    }
  }
}

TEST(FooterTest, ReadsReservedBytesOnlyUnderACompatibleFlag) {
  const Footer footer = full_footer();
  Bytes bytes = encode_footer(footer);
  const MutableByteView content = MutableByteView(bytes).subspan(kFrameHeaderSize);
  store_le(content.subspan(footer_fields::kReservedSecond.offset), std::uint64_t{5});
  EXPECT_EQ(code_of(parse_footer(rehashed(bytes), object_bytes(footer))), Code::kCorrupt);
  store_le(content.subspan(footer_fields::kFlags.offset), std::uint32_t{1} << 16U);
  EXPECT_TRUE(parse_footer(rehashed(bytes), object_bytes(footer)));
}

// What version 1 cannot say is version 2, and nothing else is.
TEST(FooterTest, IsOfTheLowestVersionThatSaysIt) {
  Footer empty = full_footer();
  empty.end_epoch = Epoch(0);
  EXPECT_EQ(segment_version(full_footer()), 1U);
  EXPECT_EQ(segment_version(incremental_footer()), 1U);
  EXPECT_EQ(segment_version(log_footer()), 2U);
  EXPECT_EQ(segment_version(empty), 2U);
  for (const Footer& footer : {full_footer(), incremental_footer(), log_footer(), empty}) {
    Bytes frame = encode_footer(footer);
    EXPECT_EQ(*parse_footer(frame, object_bytes(footer)), footer);
    store_le(MutableByteView(frame).subspan(kFrameHeaderSize + footer_fields::kVersion.offset),
             3 - segment_version(footer));
    EXPECT_EQ(code_of(parse_footer(rehashed(frame), object_bytes(footer))), Code::kCorrupt);
  }
}

// What a writer of bad will puts into the numbers, with the hash made right: refused, or taken for
// exactly what is written.
TEST(FooterTest, TakesHostileNumbersForWhatTheyAreOrNotAtAll) {
  for (const Footer& footer : {full_footer(), incremental_footer(), log_footer()}) {
    for (std::size_t at = footer_fields::kKind.offset; at < footer_fields::kHash.offset; at += 4) {
      for (const std::uint64_t value : kHostile) {
        Bytes bytes = encode_footer(footer);
        const MutableByteView field = MutableByteView(bytes).subspan(kFrameHeaderSize + at);
        store_le(field, static_cast<std::uint32_t>(value));
        if (at >= footer_fields::kStartEpoch.offset && at % 8 == 0) store_le(field, value);
        bytes = rehashed(bytes);
        const auto parsed = parse_footer(bytes, object_bytes(footer));
        if (parsed) {
          EXPECT_EQ(encode_footer(*parsed), bytes) << "offset " << at << " value " << value;
        }
      }
    }
  }
}

TEST(FooterTest, RefusesNumbersThatDisagree) {
  struct Case {
    const char* name;
    Footer base;
    std::function<void(Footer&)> change;
  };
  const Footer full = full_footer();
  const Footer incremental = incremental_footer();
  const Footer log = log_footer();
  const std::vector<Case> cases = {
      {"page size", full, [](Footer& f) { f.page_size = 4097; }},
      {"page size 0", full, [](Footer& f) { f.page_size = 0; }},
      {"page above block", full, [](Footer& f) { f.page_size = 65536, f.version_count = 2; }},
      {"block size 0", full, [](Footer& f) { f.block_size = 0; }},
      {"block size odd", full, [](Footer& f) { f.block_size = 32769; }},
      {"block size huge", full, [](Footer& f) { f.block_size = 1U << 31U; }},
      {"image", full, [](Footer& f) { f.image_bytes = ~std::uint64_t{0}; }},
      {"image against blocks", full, [](Footer& f) { f.image_bytes = 400'000; }},
      {"pages", full, [](Footer& f) { f.version_count = 26; }},
      {"two epochs", full, [](Footer& f) { f.epoch_count = 2; }},
      {"start", full, [](Footer& f) { f.start_epoch = Epoch(7); }},
      {"base of a full", full, [](Footer& f) { f.base_epoch = Epoch(1); }},
      {"block in incremental", incremental, [](Footer& f) { f.block_size = 32768; }},
      {"start at base", incremental, [](Footer& f) { f.base_epoch = Epoch(8); }},
      {"no base", incremental, [](Footer& f) { f.base_epoch = Epoch(0); }},
      {"backwards", incremental, [](Footer& f) { f.end_epoch = Epoch(7); }},
      {"epoch count", incremental, [](Footer& f) { f.epoch_count = 4; }},
      {"epoch count 0", incremental, [](Footer& f) { f.epoch_count = 0; }},
      {"too few versions", incremental, [](Footer& f) { f.version_count = 4; }},
      {"too many versions", incremental, [](Footer& f) { f.version_count = 5 * 16 + 16; }},
      {"epochs without versions", incremental,
       [](Footer& f) {
         f.epoch_count =
             static_cast<std::uint32_t>(f.version_count + f.tables_bytes) + kEpochsPerChunk + 1;
         f.end_epoch = Epoch(f.start_epoch.get() + f.epoch_count - 1);
       }},
      {"units without bytes", incremental, [](Footer& f) { f.unit_count = 5'000; }},
      {"bytes without units", incremental, [](Footer& f) { f.unit_count = 0; }},
      {"kind", full, [](Footer& f) { f.kind = static_cast<SegmentKind>(3); }},
      {"epochs of a log", log, [](Footer& f) { f.epoch_count = 1; }},
      {"base of a log", log, [](Footer& f) { f.base_epoch = Epoch(2); }},
      {"blocks of a log", log, [](Footer& f) { f.unit_count = 3; }},
      {"no block size of a log", log, [](Footer& f) { f.block_size = 0; }},
      {"log without a byte", log,
       [](Footer& f) { f.image_bytes = f.unit_count = f.version_count = 0; }},
  };
  for (const Case& row : cases) {
    Footer footer = row.base;
    row.change(footer);
    const auto parsed = parse_footer(encode_footer(footer), object_bytes(footer));
    EXPECT_FALSE(parsed) << row.name;
  }
}

TEST(SignatureTest, IsSixteenFixedBytes) {
  const Bytes frame = signature_frame();
  ASSERT_EQ(frame.size(), kSignatureSize);
  EXPECT_TRUE(check_signature(frame));
  EXPECT_EQ(to_hex(frame), "502a4d180800000045504f4348465301");
  for (std::size_t i = 0; i < frame.size(); ++i) {
    Bytes bad = frame;
    bad[i] ^= std::byte{1};
    EXPECT_FALSE(check_signature(bad)) << i;
    EXPECT_FALSE(check_signature(ByteView(frame).first(i))) << i;
  }
}

TEST(TableHeaderTest, ComesBackAsItWentOrNotAtAll) {
  const TableHeader header{TableKind::kRecords, 8192, 300'000, 4'000};
  const Bytes good = encode_table_header(header);
  ASSERT_EQ(good.size(), kTableHeaderSize);
  for (std::size_t at = 0; at < good.size(); at += 4) {
    for (const std::uint64_t value : kHostile) {
      Bytes bytes = good;
      store_le(MutableByteView(bytes).subspan(at), static_cast<std::uint32_t>(value));
      const auto parsed = parse_table_header(bytes);
      if (!parsed) continue;
      EXPECT_EQ(encode_table_header(*parsed), bytes) << at;
      EXPECT_LE(parsed->raw_bytes, kTableRawMax);
      EXPECT_LE(parsed->stored_bytes, kTableStoredMax);
    }
  }
  const auto parsed = parse_table_header(good);
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(encode_table_header(*parsed), good);
  EXPECT_FALSE(parse_table_header(encode_table_header({TableKind::kBlocks, 1025, 1, 1})));
  EXPECT_FALSE(parse_table_header(encode_table_header({TableKind::kEpochs, 0, 1, 1})));
  EXPECT_FALSE(parse_table_header(encode_table_header({static_cast<TableKind>(4), 1, 1, 1})));
  EXPECT_FALSE(parse_table_header(ByteView(good).first(kTableHeaderSize - 1)));
}

TEST(RecordHeaderTest, RefusesDamageOrReadsWhatIsWritten) {
  const RecordHeader header{
      PageNo(77), true, {Epoch(5), Epoch(6), Epoch(300)}, {11, 22, 0xffffffffffffffff}};
  Bytes good = encode_record_header(header);
  const std::size_t header_bytes = good.size();
  good.resize(header_bytes + 40);  // the zstd frame behind it
  const auto parsed = parse_record_header(good);
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->bytes, header_bytes);
  EXPECT_EQ(parsed->header.page, header.page);
  EXPECT_EQ(parsed->header.epochs, header.epochs);
  EXPECT_EQ(parsed->header.hashes, header.hashes);
  EXPECT_TRUE(parsed->header.has_prefix);

  for (std::size_t size = 0; size < header_bytes; ++size)
    EXPECT_FALSE(parse_record_header(ByteView(good).first(size))) << size;
  for (std::size_t at = 0; at < header_bytes; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes bytes = good;
      bytes[at] = static_cast<std::byte>(value);
      const auto changed = parse_record_header(bytes);
      if (!changed) continue;
      const Bytes again = encode_record_header(changed->header);
      EXPECT_TRUE(std::ranges::equal(again, ByteView(bytes).first(again.size()))) << at;
    }
  }
}

TEST(RecordHeaderTest, RefusesWhatNoRecordHas) {
  const auto parse = [](const RecordHeader& header) {
    return parse_record_header(encode_record_header(header));
  };
  EXPECT_FALSE(parse({PageNo(0), false, {Epoch(1)}, {1}}));
  EXPECT_FALSE(parse({PageNo(0xffffffff), false, {Epoch(1)}, {1}}));
  EXPECT_FALSE(parse({PageNo(1), false, {Epoch(0)}, {1}}));
  EXPECT_FALSE(parse({PageNo(1), false, {Epoch(2), Epoch(2)}, {1, 2}}));
  EXPECT_FALSE(parse({PageNo(1), false, {Epoch(1), Epoch(2)}, {1}}));
  EXPECT_FALSE(parse({PageNo(1), false, {Epoch(2), Epoch(1)}, {1, 2}}));  // wraps
  const std::vector<Epoch> same(kVersionsPerRecordMax + 1, Epoch(1));
  EXPECT_FALSE(parse({PageNo(1), false, same, std::vector<std::uint64_t>(same.size())}));
}

TEST(PrefixTest, IsNoPageThatLooksLikeADictionary) {
  Bytes page(4096);
  EXPECT_TRUE(is_usable_prefix(page));
  store_le(MutableByteView(page), 0xEC30A437U);
  EXPECT_FALSE(is_usable_prefix(page));
  EXPECT_FALSE(is_usable_prefix({}));
}

}  // namespace
}  // namespace epochfs::engine::native
