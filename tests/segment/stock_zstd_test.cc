// The promise of the format: data comes back with the stock zstd command and nothing else.
#include <gtest/gtest.h>

#include "tests/segment/history.h"

namespace epochfs::engine {
namespace {

using test::History;
using test::must;
using test::open_segment;
using test::TemporaryDirectory;

TEST(StockZstdTest, UnpacksAFullToTheExactImage) {
  for (const std::uint32_t page_bytes : {512U, 4096U, 65536U}) {
    for (const std::uint64_t size : {0U, 1U, 511U, 4096U, 65536U, 65537U, 1'000'003U}) {
      History history(must(PageSize::from(page_bytes)), size + page_bytes);
      history.commit(size, 0);
      const TemporaryDirectory directory;
      directory.write("full.db.zst", history.full(Epoch(1)).bytes);
      ASSERT_EQ(directory.shell("zstd -q -d full.db.zst"), 0) << page_bytes << " " << size;
      EXPECT_EQ(directory.read("full.db"), history.image(Epoch(1))) << page_bytes << " " << size;
      EXPECT_EQ(directory.shell("zstd -q -t full.db.zst"), 0);
    }
  }
}

TEST(StockZstdTest, UnpacksALogToTheExactFile) {
  for (const std::uint64_t size : {1U, 32U, 65536U, 65537U, 1'000'003U}) {
    History history(PageSize(), size);
    history.commit(size, 0);
    const TemporaryDirectory directory;
    directory.write("incr.log.zst", test::store_segment([&](Upload& upload) {
                                      LogWriter writer(upload, {});
                                      must(writer.append(history.image(Epoch(1))));
                                      return writer.finish(Epoch(2), Epoch(9));
                                    }).bytes);
    ASSERT_EQ(directory.shell("zstd -q -d incr.log.zst"), 0) << size;
    EXPECT_EQ(directory.read("incr.log"), history.image(Epoch(1))) << size;
    EXPECT_EQ(directory.shell("zstd -q -t incr.log.zst"), 0);
  }
}

TEST(StockZstdTest, IsNotAskedToUnpackALogWithoutAByte) {
  const auto storage = make_memory_storage();
  const auto upload = must(storage->create("segment"));
  LogWriter writer(*upload, {});
  EXPECT_EQ(writer.finish(Epoch(2), Epoch(9)).error().code, Code::kInvalid);
}

// Every record of an incremental carved out with dd and unpacked with its page of the full.
void expect_stock_tools_read(const History& history) {
  const TemporaryDirectory directory;
  const Bytes incremental = history.incremental(Epoch(1), Epoch(2), history.newest()).bytes;
  directory.write("full.db.zst", history.full(Epoch(1)).bytes);
  directory.write("incr.seg", incremental);
  ASSERT_EQ(directory.shell("zstd -q -d full.db.zst"), 0);
  const std::string page_bytes = std::to_string(history.page_size().bytes());
  std::size_t with_prefix = 0;
  must(must(open_segment(incremental))
           .visit_records([&](std::uint64_t offset, const native::RecordRow& row) -> Result<void> {
             const auto unit = ByteView(incremental).subspan(offset, row.stored_bytes);
             const auto parsed = must(native::parse_record_header(unit));
             const std::uint64_t frame = offset + parsed.bytes;
             const std::string carve =
                 "tail -c +" + std::to_string(frame + 1) + " incr.seg | head -c " +
                 std::to_string(row.stored_bytes - parsed.bytes) + " > record.zst";
             EXPECT_EQ(directory.shell(carve), 0);
             std::string unpack = "zstd -q -d -f record.zst -o versions";
             if (parsed.header.has_prefix) {
               ++with_prefix;
               EXPECT_EQ(
                   directory.shell("dd status=none if=full.db of=page bs=" + page_bytes +
                                   " count=1 conv=sync skip=" + std::to_string(row.page.get() - 1)),
                   0);
               unpack += " --patch-from=page";
             }
             EXPECT_EQ(directory.shell(unpack), 0) << row.page.get();
             Bytes expected;
             for (const Epoch epoch : row.epochs) {
               const Bytes page = history.page(epoch, row.page);
               expected.insert(expected.end(), page.begin(), page.end());
             }
             EXPECT_EQ(directory.read("versions"), expected) << "page " << row.page.get();
             return {};
           }));
  EXPECT_GT(with_prefix, 0U);
}

TEST(StockZstdTest, UnpacksRecordsOfSmallPages) {
  History history(must(PageSize::from(512)), 1);
  history.commit(3000, 0);
  for (int i = 0; i < 150; ++i) history.commit(3500, 6);
  expect_stock_tools_read(history);
}

TEST(StockZstdTest, UnpacksRecordsOfOrdinaryPages) {
  History history(PageSize(), 2);
  history.commit(50'000, 0).commit(60'000, 20).commit(40'001, 20).commit(70'000, 9);
  expect_stock_tools_read(history);
}

TEST(StockZstdTest, UnpacksRecordsOfTheLargestPages) {
  History history(must(PageSize::from(65536)), 3);
  history.commit(200'000, 0).commit(200'001, 50).commit(300'000, 50);
  expect_stock_tools_read(history);
}

// The tool takes a file that begins like a trained dictionary for one, and refuses it.
TEST(StockZstdTest, UnpacksRecordsOfPagesThatBeginLikeADictionary) {
  History history(PageSize(), 4);
  history.commit(8192, 0);
  Bytes image = history.image(Epoch(1));
  History again(PageSize(), 5);
  store_le(MutableByteView(image), 0xEC30A437U);
  again.commit(image);
  image[100] ^= std::byte{1};
  image[5000] ^= std::byte{1};
  again.commit(image);
  expect_stock_tools_read(again);
}

}  // namespace
}  // namespace epochfs::engine
