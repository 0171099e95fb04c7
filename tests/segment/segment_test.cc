#include <gtest/gtest.h>

#include "tests/segment/history.h"

namespace epochfs::engine {
namespace {

using test::History;
using test::must;
using test::open_segment;
using test::StoredSegment;

constexpr std::uint64_t kSeed = 20261120;

struct Shape {
  std::uint32_t page_size;
  std::uint64_t size_bytes;
};

class SegmentShapes : public testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(
    All, SegmentShapes,
    testing::Values(Shape{512, 0}, Shape{512, 1}, Shape{512, 512}, Shape{512, 100'001},
                    Shape{1024, 65'536}, Shape{2048, 65'535}, Shape{4096, 32'768},
                    Shape{4096, 32'769}, Shape{4096, 1'000'000}, Shape{8192, 300'000},
                    Shape{16384, 16'383}, Shape{32768, 500'000}, Shape{65536, 65'536},
                    Shape{65536, 200'000}),
    [](const auto& shape) {
      return std::to_string(shape.param.page_size) + "_" + std::to_string(shape.param.size_bytes);
    });

TEST_P(SegmentShapes, GiveEveryEpochBack) {
  History history(must(PageSize::from(GetParam().page_size)), kSeed);
  const std::uint64_t size = GetParam().size_bytes;
  history.commit(size, 0)
      .commit(size, 3)
      .commit(size + 70'000, 5)
      .commit(size / 2, 1)
      .commit(size / 2, 0)
      .commit(size + 3, 9);
  const StoredSegment full = history.full(Epoch(1));
  const StoredSegment incremental = history.incremental(Epoch(1), Epoch(2), history.newest());

  const auto full_reader =
      must(SegmentReader::open(test::blob_of(full.bytes), &full.summary.tables_sha256));
  const auto incremental_reader = must(
      SegmentReader::open(test::blob_of(incremental.bytes), &incremental.summary.tables_sha256));
  const auto images = must(test::read_epochs(full_reader, incremental_reader));
  ASSERT_EQ(images.size(), 6U);
  for (const auto& [epoch, image] : images) EXPECT_EQ(image, history.image(epoch)) << epoch.get();
}

TEST_P(SegmentShapes, AreSummarizedAsStored) {
  History history(must(PageSize::from(GetParam().page_size)), kSeed);
  history.commit(GetParam().size_bytes, 0).commit(GetParam().size_bytes + 5000, 5);
  for (const StoredSegment& stored :
       {history.full(Epoch(1)), history.incremental(Epoch(1), Epoch(2), Epoch(2))}) {
    const SegmentSummary& summary = stored.summary;
    Crc32 checksum;
    checksum.update(stored.bytes);
    EXPECT_EQ(summary.size_bytes, stored.bytes.size());
    EXPECT_EQ(summary.checksum, checksum.value());
    EXPECT_EQ(summary.sha256, Sha256::of(stored.bytes));
    EXPECT_EQ(summary.tables_sha256,
              Sha256::of(ByteView(stored.bytes).subspan(summary.footer.tables_offset)));
    EXPECT_EQ(must(open_segment(stored.bytes)).footer(), summary.footer);
  }
  const StoredSegment full = history.full(Epoch(1));
  EXPECT_EQ(full.summary.state, history.state(Epoch(1)));
  must(must(open_segment(full.bytes))
           .visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
             EXPECT_EQ(facts, history.facts(Epoch(1)));
             return {};
           }));
}

TEST(SegmentWriterTest, WritesTheSameBytesWhateverTheNumberOfThreads) {
  History history(PageSize(), kSeed);
  history.commit(3'000'001, 0).commit(3'500'000, 200).commit(3'400'000, 300);
  const StoredSegment full = history.full(Epoch(1), {.threads = 1});
  const StoredSegment incremental =
      history.incremental(Epoch(1), Epoch(2), Epoch(3), {.threads = 1});
  for (const unsigned threads : {2U, 7U}) {
    EXPECT_EQ(history.full(Epoch(1), {.threads = threads}).bytes, full.bytes) << threads;
    EXPECT_EQ(history.incremental(Epoch(1), Epoch(2), Epoch(3), {.threads = threads}).bytes,
              incremental.bytes)
        << threads;
  }
}

TEST(SegmentWriterTest, TakesBlockSizesFromAPageTo64KiB) {
  History history(must(PageSize::from(32768)), kSeed);
  history.commit(200'000, 0);
  for (const auto& [wanted, used] : {std::pair{0U, 32768U},
                                     {16384U, 32768U},
                                     {50'000U, 32768U},
                                     {65536U, 65536U},
                                     {1U << 30U, 65536U}}) {
    const StoredSegment full = history.full(Epoch(1), {.block_bytes = wanted});
    EXPECT_EQ(full.summary.footer.block_size, used) << wanted;
    EXPECT_EQ(must(test::read_image(must(open_segment(full.bytes)))), history.image(Epoch(1)));
  }
}

TEST(SegmentWriterTest, SpreadsManyVersionsOfAPageOverRecords) {
  History history(PageSize(), kSeed);
  history.commit(4096, 0);
  for (int i = 0; i < 100; ++i) history.commit(4096, 2);
  const StoredSegment full = history.full(Epoch(1));
  const StoredSegment incremental = history.incremental(Epoch(1), Epoch(2), history.newest());
  EXPECT_EQ(incremental.summary.footer.unit_count, 7U);  // 16 versions of 4 KiB make 64 KiB
  EXPECT_EQ(incremental.summary.footer.version_count, 100U);
  const auto images = must(
      test::read_epochs(must(open_segment(full.bytes)), must(open_segment(incremental.bytes))));
  ASSERT_EQ(images.size(), 101U);
  for (const auto& [epoch, image] : images) EXPECT_EQ(image, history.image(epoch)) << epoch.get();
}

TEST(SegmentWriterTest, FillsManyTableChunks) {
  const PageSize page_size = must(PageSize::from(512));
  History history(page_size, kSeed);
  history.commit(Bytes());
  const std::uint32_t pages = 2 * native::kRecordsPerChunk + 5;
  history.commit(Bytes(std::size_t{pages} * 512));
  const auto incremental =
      must(open_segment(history.incremental(Epoch(1), Epoch(2), Epoch(2)).bytes));
  std::uint32_t next = 0;
  must(incremental.visit_records([&](std::uint64_t, const native::RecordRow& row) -> Result<void> {
    EXPECT_EQ(row.page.get(), ++next);
    return {};
  }));
  EXPECT_EQ(next, pages);

  History large(must(PageSize::from(65536)), kSeed);
  large.commit(Bytes(std::size_t{65536} * (2 * native::kBlocksPerChunk + 1)));
  EXPECT_EQ(must(test::read_image(
                must(open_segment(large.full(Epoch(1), {.block_bytes = 65536}).bytes)))),
            large.image(Epoch(1)));

  History long_one(page_size, kSeed);
  const std::uint64_t epochs = 2 * native::kEpochsPerChunk + 3;
  for (std::uint64_t i = 0; i <= epochs; ++i) long_one.commit(to_bytes(std::to_string(i)));
  const auto many =
      must(open_segment(long_one.incremental(Epoch(1), Epoch(2), long_one.newest()).bytes));
  std::uint64_t epoch = 1;
  must(many.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
    EXPECT_EQ(facts.epoch.get(), ++epoch);
    return {};
  }));
  EXPECT_EQ(epoch, epochs + 1);
}

// Versions of one page fill a chunk of the table before its rows do.
TEST(SegmentWriterTest, EndsATableChunkThatHasManyVersions) {
  const PageSize page_size = must(PageSize::from(512));
  const std::uint32_t pages = native::kVersionsPerChunk / 128 + 10;
  const std::uint64_t versions = std::uint64_t{pages} * 128;
  const Bytes page(512);
  const auto stored = test::store_segment([&](Upload& upload) -> Result<SegmentSummary> {
    IncrementalWriter writer(upload, page_size, {Epoch(1), 0}, Epoch(2), Epoch(129), {});
    for (std::uint32_t number = 1; number <= pages; ++number) {
      for (std::uint64_t epoch = 2; epoch <= 129; ++epoch)
        TRY(writer.append(PageNo(number), Epoch(epoch), page_hash(page), page, {}));
    }
    std::vector<native::EpochFacts> epochs(128);
    for (std::size_t i = 0; i < epochs.size(); ++i) epochs[i].epoch = Epoch(i + 2);
    return writer.finish(epochs);
  });
  const auto reader = must(open_segment(stored.bytes));
  std::uint64_t seen = 0;
  must(reader.visit_records([&](std::uint64_t, const native::RecordRow& row) -> Result<void> {
    seen += row.epochs.size();
    return {};
  }));
  EXPECT_EQ(seen, versions);
}

TEST(SegmentWriterTest, MayHoldEpochsThatBroughtNoPage) {
  History history(PageSize(), kSeed);
  history.commit(8192, 0).commit(4096, 0).commit(4096, 0);
  const auto incremental = history.incremental(Epoch(1), Epoch(2), Epoch(3));
  EXPECT_EQ(incremental.summary.footer.unit_count, 0U);
  const auto images = must(test::read_epochs(must(open_segment(history.full(Epoch(1)).bytes)),
                                             must(open_segment(incremental.bytes))));
  for (const auto& [epoch, image] : images) EXPECT_EQ(image, history.image(epoch)) << epoch.get();
}

TEST(SegmentWriterTest, RefusesInputThatIsOutOfOrder) {
  const Bytes page(4096);
  const std::uint64_t hash = page_hash(page);
  const auto storage = make_memory_storage();
  const auto code_of = [&](const auto& write) {
    const auto upload = must(storage->create("x"));
    IncrementalWriter writer(*upload, PageSize(), {Epoch(1), 8192}, Epoch(2), Epoch(4), {});
    const Result<void> written = write(writer);
    if (written) throw std::logic_error("it was taken");
    return written.error().code;
  };
  const auto append = [&](IncrementalWriter& writer, std::uint32_t number, std::uint64_t epoch) {
    return writer.append(PageNo(number), Epoch(epoch), hash, page, {});
  };
  const auto finish = [&](IncrementalWriter& writer, std::vector<std::uint64_t> numbers) {
    std::vector<native::EpochFacts> epochs(numbers.size());
    for (std::size_t i = 0; i < epochs.size(); ++i) epochs[i].epoch = Epoch(numbers[i]);
    const auto finished = writer.finish(epochs);
    return finished ? Result<void>() : Result<void>(tl::unexpected(finished.error()));
  };
  using Writer = IncrementalWriter;
  EXPECT_EQ(code_of([&](Writer& w) { return append(w, 0, 2); }), Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return append(w, 1, 1); }), Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return append(w, 1, 5); }), Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) -> Result<void> {
              TRY(append(w, 2, 3));
              return append(w, 2, 3);
            }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) -> Result<void> {
              TRY(append(w, 2, 3));
              return append(w, 1, 4);
            }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) {
              return w.append(PageNo(1), Epoch(2), hash, ByteView(page).first(512), {});
            }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) {
              return w.append(PageNo(1), Epoch(2), hash, page, ByteView(page).first(512));
            }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return w.append(PageNo(3), Epoch(2), hash, page, page); }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) -> Result<void> {
              TRY(w.append(PageNo(1), Epoch(2), hash + 1, page, {}));
              return finish(w, {2, 3, 4});
            }),
            Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return finish(w, {2, 3}); }), Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return finish(w, {2, 4, 5}); }), Code::kInvalid);
  EXPECT_EQ(code_of([&](Writer& w) { return finish(w, {}); }), Code::kInvalid);

  const auto upload = must(storage->create("x"));
  FullWriter full(*upload, PageSize(), {});
  must(full.append(page));
  native::EpochFacts facts;
  facts.epoch = Epoch(1);
  facts.size_bytes = 4095;
  EXPECT_EQ(full.finish(facts).error().code, Code::kInvalid);
}

TEST(SegmentReaderTest, RefusesTablesThatTheManifestDoesNotName) {
  History history(PageSize(), kSeed);
  history.commit(100'000, 0);
  const StoredSegment full = history.full(Epoch(1));
  Sha256Digest other = full.summary.tables_sha256;
  other[0] ^= std::byte{1};
  const auto opened = SegmentReader::open(test::blob_of(full.bytes), &other);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt);
}

TEST(SegmentReaderTest, PassesOnAVisitorsFailureAndRefusesTheOtherKind) {
  History history(PageSize(), kSeed);
  history.commit(100'000, 0).commit(100'000, 2);
  const auto full = must(open_segment(history.full(Epoch(1)).bytes));
  const auto incremental =
      must(open_segment(history.incremental(Epoch(1), Epoch(2), Epoch(2)).bytes));
  int calls = 0;
  const auto fail = [&](std::uint64_t, const auto&) -> Result<void> {
    ++calls;
    return Error::no_space("full");
  };
  EXPECT_EQ(full.visit_blocks(fail).error().code, Code::kNoSpace);
  EXPECT_EQ(incremental.visit_records(fail).error().code, Code::kNoSpace);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(full.visit_records(fail).error().code, Code::kInvalid);
  EXPECT_EQ(incremental.visit_blocks(fail).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace epochfs::engine
