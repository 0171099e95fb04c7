#include <gtest/gtest.h>

#include <algorithm>

#include "engine/formats/sqlite/database_header.h"
#include "engine/formats/sqlite/rollback_journal.h"
#include "engine/formats/sqlite/wal.h"
#include "engine/formats/sqlite/wal_index.h"

namespace epochfs::engine::sqlite {
namespace {

template <class T>
void put(Bytes& bytes, std::size_t at, T value) {
  store_be<T>(MutableByteView(bytes).subspan(at), value);
}
template <class T>
void put_native(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(&bytes[at], &value, sizeof value);
}
template <class T>
Code code_of(const Result<T>& result) {
  return result ? Code::kExists : result.error().code;
}

Bytes database_header() {
  Bytes bytes(kDatabaseHeaderSize);
  std::copy_n(as_bytes(std::string_view("SQLite format 3\0", 16)).begin(), 16, bytes.begin());
  put<std::uint16_t>(bytes, 16, 4096);
  put<std::uint8_t>(bytes, 19, 1);
  put<std::uint32_t>(bytes, 24, 7);
  put<std::uint32_t>(bytes, 28, 12);
  put<std::uint32_t>(bytes, 92, 7);
  return bytes;
}

TEST(DatabaseHeaderTest, ReadsItsFields) {
  const auto header = parse_database_header(database_header());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->page_size.bytes(), 4096U);
  EXPECT_FALSE(header->wal_mode);
  EXPECT_EQ(header->change_counter, 7U);
  EXPECT_EQ(header->page_count, 12U);
}

TEST(DatabaseHeaderTest, KnowsTheLargestPageAndTheLogMode) {
  Bytes bytes = database_header();
  put<std::uint16_t>(bytes, 16, 1);
  put<std::uint8_t>(bytes, 19, 2);
  const auto header = parse_database_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->page_size.bytes(), 65536U);
  EXPECT_TRUE(header->wal_mode);
}

TEST(DatabaseHeaderTest, DoesNotBelieveAPageCountOfAnOlderCounter) {
  Bytes bytes = database_header();
  put<std::uint32_t>(bytes, 92, 6);
  EXPECT_EQ(parse_database_header(bytes)->page_count, std::nullopt);
}

TEST(DatabaseHeaderTest, RefusesEverythingElse) {
  Bytes bytes = database_header();
  put<std::uint16_t>(bytes, 16, 1000);
  EXPECT_EQ(code_of(parse_database_header(bytes)), Code::kCorrupt);
  bytes = database_header();
  bytes[3] = std::byte{0};
  EXPECT_EQ(code_of(parse_database_header(bytes)), Code::kUnsupported);
  EXPECT_FALSE(has_database_magic(bytes));
  EXPECT_FALSE(has_database_magic({}));
  for (std::size_t size = 0; size < kDatabaseHeaderSize; ++size)
    EXPECT_EQ(code_of(parse_database_header(ByteView(database_header()).first(size))),
              Code::kCorrupt);
}

TEST(DatabaseHeaderTest, KnowsThePageOfTheLocks) {
  EXPECT_EQ(lock_byte_page(*PageSize::from(512)), PageNo(2097153));
  EXPECT_EQ(lock_byte_page(*PageSize::from(65536)), PageNo(16385));
}

TEST(WalChecksumTest, AddsWordsInEitherOrder) {
  // By hand: x = 1, y = 2; first = 1 + 0, second = 2 + 1; then x = 3, y = 4: 1+3+3, 3+4+7.
  Bytes big(16);
  for (std::uint32_t i = 0; i < 4; ++i) put<std::uint32_t>(big, i * 4, i + 1);
  EXPECT_EQ(extend({}, WordOrder::kBig, big), (WalChecksum{7, 14}));
  Bytes little(16);
  for (std::uint32_t i = 0; i < 4; ++i)
    store_le<std::uint32_t>(MutableByteView(little).subspan(i * 4), i + 1);
  EXPECT_EQ(extend({}, WordOrder::kLittle, little), (WalChecksum{7, 14}));
  EXPECT_NE(extend({}, WordOrder::kLittle, big), (WalChecksum{7, 14}));
}

Bytes wal_header(WordOrder order) {
  Bytes bytes(kWalHeaderSize);
  put<std::uint32_t>(bytes, 0, order == WordOrder::kBig ? 0x377f0683 : 0x377f0682);
  put<std::uint32_t>(bytes, 4, 3007000);
  put<std::uint32_t>(bytes, 8, 65536);
  put<std::uint32_t>(bytes, 12, 5);
  put<std::uint32_t>(bytes, 16, 0x11223344);
  put<std::uint32_t>(bytes, 20, 0x55667788);
  const WalChecksum checksum = extend({}, order, ByteView(bytes).first(24));
  put(bytes, 24, checksum.first);
  put(bytes, 28, checksum.second);
  return bytes;
}

TEST(WalHeaderTest, ReadsBothByteOrders) {
  for (const WordOrder order : {WordOrder::kLittle, WordOrder::kBig}) {
    const auto header = parse_wal_header(wal_header(order));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->order, order);
    EXPECT_EQ(header->page_size.bytes(), 65536U);
    EXPECT_EQ(header->sequence, 5U);
    EXPECT_EQ(header->salts, (WalSalts{0x11223344, 0x55667788}));
  }
}

TEST(WalHeaderTest, RefusesAnyFlippedBitAndAnyShorterFile) {
  const Bytes good = wal_header(WordOrder::kLittle);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(code_of(parse_wal_header(bad)), Code::kCorrupt) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(code_of(parse_wal_header(ByteView(good).first(size))), Code::kCorrupt);
}

TEST(WalFrameTest, ChainsHeaderAndPage) {
  Bytes raw(kWalFrameHeaderSize);
  put<std::uint32_t>(raw, 0, 9);
  put<std::uint32_t>(raw, 4, 20);
  put<std::uint32_t>(raw, 8, 1);
  put<std::uint32_t>(raw, 12, 2);
  put<std::uint32_t>(raw, 16, 3);
  put<std::uint32_t>(raw, 20, 4);
  const auto fixed = ByteView(raw).first<kWalFrameHeaderSize>();
  EXPECT_EQ(parse_wal_frame_header(fixed), (WalFrameHeader{PageNo(9), 20, {1, 2}, {3, 4}}));
  const Bytes page(512, std::byte{7});
  ByteWriter summed;
  summed.put(ByteView(raw).first(8));  // salts and checksum are not summed
  summed.put(page);
  EXPECT_EQ(chain_frame({5, 6}, WordOrder::kBig, fixed, page),
            extend({5, 6}, WordOrder::kBig, summed.view()));
}

TEST(WalFrameTest, LiesBehindTheOnesBefore) {
  EXPECT_EQ(wal_frame_offset(1, *PageSize::from(4096)), 32U);
  EXPECT_EQ(wal_frame_offset(3, *PageSize::from(4096)), 32U + 2 * 4120);
  EXPECT_EQ(wal_frame_offset(0xffffffff, *PageSize::from(65536)), 32U + 0xfffffffeULL * 65560);
}

Bytes wal_index_copy() {
  Bytes bytes(kWalIndexCopySize);
  put_native<std::uint32_t>(bytes, 0, 3007000);
  put_native<std::uint32_t>(bytes, 8, 77);
  put_native<std::uint8_t>(bytes, 12, 1);
  put_native<std::uint16_t>(bytes, 14, 1);
  put_native<std::uint32_t>(bytes, 16, 40);
  put_native<std::uint32_t>(bytes, 20, 30);
  put_native<std::uint32_t>(bytes, 24, 5);
  put_native<std::uint32_t>(bytes, 28, 6);
  put<std::uint32_t>(bytes, 32, 0x11223344);
  put<std::uint32_t>(bytes, 36, 0x55667788);
  const WordOrder native =
      std::endian::native == std::endian::little ? WordOrder::kLittle : WordOrder::kBig;
  const WalChecksum checksum = extend({}, native, ByteView(bytes).first(40));
  put_native(bytes, 40, checksum.first);
  put_native(bytes, 44, checksum.second);
  return bytes;
}

TEST(WalIndexTest, ReadsItsHeader) {
  const Bytes copy = wal_index_copy();
  const auto header = parse_wal_index_header(copy, copy);
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->page_size.bytes(), 65536U);
  EXPECT_EQ(header->last_frame, 40U);
  EXPECT_EQ(header->database_pages, 30U);
  EXPECT_EQ(header->checksum, (WalChecksum{5, 6}));
  EXPECT_EQ(header->salts, (WalSalts{0x11223344, 0x55667788}));
}

TEST(WalIndexTest, RefusesCopiesThatDifferAndAnyFlippedBit) {
  const Bytes good = wal_index_copy();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(code_of(parse_wal_index_header(good, bad)), Code::kCorrupt) << bit;
    EXPECT_EQ(code_of(parse_wal_index_header(bad, bad)), Code::kCorrupt) << bit;
  }
  const Bytes none(kWalIndexCopySize);
  EXPECT_EQ(code_of(parse_wal_index_header(none, none)), Code::kCorrupt);
}

TEST(WalIndexTest, FindsThePageNumberOfAFrame) {
  EXPECT_EQ(wal_index_place(1), (WalIndexPlace{0, 136}));
  EXPECT_EQ(wal_index_place(4062), (WalIndexPlace{0, 16380}));
  EXPECT_EQ(wal_index_place(4063), (WalIndexPlace{1, 0}));
  EXPECT_EQ(wal_index_place(4062 + 4096), (WalIndexPlace{1, 16380}));
  EXPECT_EQ(wal_index_place(4062 + 4097), (WalIndexPlace{2, 0}));
}

TEST(RollbackJournalTest, TellsOneThatCouldUndoSomething) {
  Bytes bytes(kJournalHeaderSize);
  EXPECT_EQ(code_of(parse_journal_header(bytes)), Code::kCorrupt);  // PERSIST mode, committed
  put<std::uint64_t>(bytes, 0, 0xd9d505f920a163d7);
  put<std::uint32_t>(bytes, 8, 3);
  put<std::uint32_t>(bytes, 16, 50);
  put<std::uint32_t>(bytes, 24, 4096);
  const auto header = parse_journal_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->record_count, 3U);
  EXPECT_EQ(header->initial_pages, 50U);
  EXPECT_EQ(header->page_size, 4096U);
  EXPECT_EQ(code_of(parse_journal_header(ByteView(bytes).first(27))), Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine::sqlite
