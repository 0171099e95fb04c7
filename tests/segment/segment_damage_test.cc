// Whatever happens to a segment's bytes: noticed, or without effect on any epoch.
#include <gtest/gtest.h>

#include "tests/segment/history.h"
#include "tests/support/samples.h"

namespace epochfs::engine {
namespace {

using test::EpochImages;
using test::History;
using test::must;
using test::open_segment;

class SegmentDamage : public testing::Test {
 protected:
  SegmentDamage() : history_(must(PageSize::from(512)), 7) {
    history_.commit(1800, 0).commit(2400, 3).commit(2400, 2).commit(1000, 1);
    full_ = history_.full(Epoch(1)).bytes;
    incremental_ = history_.incremental(Epoch(1), Epoch(2), Epoch(4)).bytes;
  }

  static Result<EpochImages> read(const Bytes& full, const Bytes& incremental) {
    TRY_ASSIGN(const auto full_reader, open_segment(full));
    TRY_ASSIGN(const auto incremental_reader, open_segment(incremental));
    return test::read_epochs(full_reader, incremental_reader);
  }

  void expect_noticed_or_harmless(const Bytes& full, const Bytes& incremental,
                                  const std::string& what) const {
    const auto images = read(full, incremental);
    if (!images) {
      EXPECT_TRUE(images.error().code == Code::kCorrupt ||
                  images.error().code == Code::kUnsupported)
          << what << ": " << images.error().text;
      return;
    }
    for (const auto& [epoch, image] : *images)
      EXPECT_EQ(image, history_.image(epoch)) << what << ": epoch " << epoch.get();
  }

  History history_;
  Bytes full_;
  Bytes incremental_;
};

TEST_F(SegmentDamage, IsNotThereToBeginWith) {
  const auto images = must(read(full_, incremental_));
  ASSERT_EQ(images.size(), 4U);
  for (const auto& [epoch, image] : images) EXPECT_EQ(image, history_.image(epoch));
}

TEST_F(SegmentDamage, OfAnyBitIsNoticedOrHarmless) {
  const std::size_t step = epochfs::test::one_of_many_under_sanitizers(13);
  for (Bytes* segment : {&full_, &incremental_}) {
    for (std::size_t bit = epochfs::test::first_sample(step); bit < segment->size() * 8;
         bit += step) {
      const std::byte mask = std::byte{1} << (bit % 8);
      (*segment)[bit / 8] ^= mask;
      expect_noticed_or_harmless(full_, incremental_, "bit " + std::to_string(bit));
      (*segment)[bit / 8] ^= mask;
    }
  }
}

TEST_F(SegmentDamage, OfSignatureTablesOrFooterKeepsTheSegmentShut) {
  for (const Bytes* segment : {&full_, &incremental_}) {
    const std::uint64_t tables = must(open_segment(*segment)).footer().tables_offset;
    for (std::size_t at = 0; at < segment->size(); ++at) {
      if (at >= native::kSignatureSize && at < tables) continue;
      Bytes bad = *segment;
      bad[at] ^= std::byte{0x10};
      EXPECT_FALSE(open_segment(bad)) << at;
    }
  }
}

TEST_F(SegmentDamage, ByTruncationAtAnyByteIsNoticed) {
  for (std::size_t size = 0; size < full_.size(); ++size)
    EXPECT_FALSE(open_segment(Bytes(full_.begin(), full_.begin() + static_cast<long>(size))));
  for (std::size_t size = 0; size < incremental_.size(); ++size)
    EXPECT_FALSE(
        open_segment(Bytes(incremental_.begin(), incremental_.begin() + static_cast<long>(size))));
}

TEST_F(SegmentDamage, ByRemovedOrAddedBytesIsNoticed) {
  for (std::size_t at = 0; at < full_.size(); at += 7) {
    Bytes shorter = full_;
    shorter.erase(shorter.begin() + static_cast<long>(at));
    EXPECT_FALSE(open_segment(shorter)) << at;
    Bytes longer = full_;
    longer.insert(longer.begin() + static_cast<long>(at), std::byte{0});
    EXPECT_FALSE(open_segment(longer)) << at;
  }
}

TEST_F(SegmentDamage, ByExchangedRecordsIsNoticed) {
  // Two pages whose records have the same size: the same change to the same noise.
  History history(must(PageSize::from(512)), 3);
  Bytes image(1024);
  history.commit(image);
  image[5] = image[517] = std::byte{'x'};
  history.commit(image);
  const Bytes full = history.full(Epoch(1)).bytes;
  const Bytes good = history.incremental(Epoch(1), Epoch(2), Epoch(2)).bytes;
  std::vector<ByteRange> units;
  must(must(open_segment(good))
           .visit_records([&](std::uint64_t offset, const native::RecordRow& row) -> Result<void> {
             units.push_back({offset, row.stored_bytes});
             return {};
           }));
  ASSERT_EQ(units.size(), 2U);
  ASSERT_EQ(units[0].size, units[1].size);
  Bytes bad = good;
  std::swap_ranges(bad.begin() + static_cast<long>(units[0].begin),
                   bad.begin() + static_cast<long>(units[0].begin + units[0].size),
                   bad.begin() + static_cast<long>(units[1].begin));
  ASSERT_NE(bad, good);
  EXPECT_TRUE(read(full, good));
  EXPECT_EQ(read(full, bad).error().code, Code::kCorrupt);
}

TEST_F(SegmentDamage, ByAnotherFullBelowIsNoticed) {
  History other(must(PageSize::from(512)), 8);
  other.commit(1800, 0);
  EXPECT_EQ(read(other.full(Epoch(1)).bytes, incremental_).error().code, Code::kCorrupt);
  other = History(must(PageSize::from(512)), 7);
  other.commit(512, 0);  // lacks pages that are prefixes
  EXPECT_EQ(read(other.full(Epoch(1)).bytes, incremental_).error().code, Code::kCorrupt);
}

// Tables whose hashes are right and whose content is not: what a writer of bad will would leave.
class ForgedTables : public SegmentDamage {
 protected:
  struct Chunk {
    native::TableHeader header;
    Bytes columns;
  };

  static Bytes forge(const Bytes& segment, const std::vector<Chunk>& chunks) {
    native::Footer footer = must(open_segment(segment)).footer();
    Bytes forged(segment.begin(), segment.begin() + static_cast<long>(footer.tables_offset));
    Bytes tables;
    for (const Chunk& chunk : chunks) {
      const Bytes frame = must(compress_frame(chunk.columns, 0, 3));
      native::TableHeader header = chunk.header;
      header.stored_bytes = static_cast<std::uint32_t>(frame.size());
      const Bytes head = native::encode_table_header(header);
      tables.insert(tables.end(), head.begin(), head.end());
      tables.insert(tables.end(), frame.begin(), frame.end());
    }
    footer.tables_bytes = tables.size();
    footer.tables_hash = page_hash(tables);
    forged.insert(forged.end(), tables.begin(), tables.end());
    const Bytes end = native::encode_footer(footer);
    forged.insert(forged.end(), end.begin(), end.end());
    return forged;
  }

  static std::vector<Chunk> chunks_of(const Bytes& segment) {
    const native::Footer footer = must(open_segment(segment)).footer();
    const ByteView tables = ByteView(segment).subspan(footer.tables_offset, footer.tables_bytes);
    std::vector<Chunk> chunks;
    for (ByteView rest = tables; !rest.empty();) {
      Chunk chunk;
      chunk.header = must(native::parse_table_header(rest.first(native::kTableHeaderSize)));
      chunk.columns.resize(chunk.header.raw_bytes);
      rest = rest.subspan(native::kTableHeaderSize);
      must(decompress_frame(rest.first(chunk.header.stored_bytes), {}, chunk.columns));
      rest = rest.subspan(chunk.header.stored_bytes);
      chunks.push_back(std::move(chunk));
    }
    return chunks;
  }

  static void expect_refused(const Bytes& full, const Bytes& incremental, const std::string& what) {
    const auto images = read(full, incremental);
    ASSERT_FALSE(images) << what;
    EXPECT_EQ(images.error().code, Code::kCorrupt) << what << ": " << images.error().text;
  }
};

TEST_F(ForgedTables, AreReadAsBeforeWhenNothingIsForged) {
  EXPECT_EQ(forge(full_, chunks_of(full_)), full_);
  EXPECT_EQ(forge(incremental_, chunks_of(incremental_)), incremental_);
}

TEST_F(ForgedTables, AreRefusedInAnotherOrderOrNumber) {
  for (const bool of_full : {true, false}) {
    const Bytes& good = of_full ? full_ : incremental_;
    const auto with = [&](const std::vector<Chunk>& chunks, const std::string& what) {
      const Bytes bad = forge(good, chunks);
      expect_refused(of_full ? bad : full_, of_full ? incremental_ : bad, what);
    };
    const auto chunks = chunks_of(good);
    ASSERT_EQ(chunks.size(), 2U);
    with({chunks[1], chunks[0]}, "order");
    with({chunks[0]}, "no epochs");
    with({chunks[1]}, "no units");
    with({}, "nothing");
    with({chunks[0], chunks[0], chunks[1]}, "units twice");
    with({chunks[0], chunks[1], chunks[1]}, "epochs twice");
    Chunk other = chunks[0];
    other.header.kind = of_full ? native::TableKind::kRecords : native::TableKind::kBlocks;
    with({other, chunks[1]}, "kind");
    Chunk wrong_size = chunks[0];
    wrong_size.header.raw_bytes += 1;
    with({wrong_size, chunks[1]}, "raw size");
  }
}

TEST_F(ForgedTables, WithAnyByteOfTheirColumnsChangedNeverGiveWrongPages) {
  for (const bool of_full : {true, false}) {
    const Bytes& good = of_full ? full_ : incremental_;
    auto chunks = chunks_of(good);
    Bytes& columns = chunks[0].columns;  // the units; what an epoch's time was nobody can tell
    for (std::size_t at = 0; at < columns.size(); ++at) {
      for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU}) {
        const std::byte before = std::exchange(columns[at], static_cast<std::byte>(value));
        const Bytes bad = forge(good, chunks);
        expect_noticed_or_harmless(of_full ? bad : full_, of_full ? incremental_ : bad,
                                   "column byte " + std::to_string(at));
        columns[at] = before;
      }
    }
  }
}

TEST_F(ForgedTables, ThatUnpackToMoreThanTheySayAreRefused) {
  auto chunks = chunks_of(full_);
  chunks[0].columns.resize(64 * 1024 * 1024);
  expect_refused(forge(full_, chunks), incremental_, "bomb");
  chunks[0].header.raw_bytes = native::kTableRawMax + 1;
  expect_refused(forge(full_, chunks), incremental_, "bomb that says so");
}

}  // namespace
}  // namespace epochfs::engine
