#include "engine/view/ahead_pieces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kPiece = 100;
constexpr std::uint64_t kFile = 1050;
constexpr std::uint64_t kAhead = 400;

// A file whose byte at n is n.
class AheadPiecesTest : public testing::Test {
 protected:
  Result<Buffer> load(ByteRange range) {
    ++loads_;
    if (range.begin == broken_) return Error::corrupt("broken");
    Buffer bytes(range.size);
    for (std::size_t i = 0; i < range.size; ++i)
      bytes.bytes()[i] = static_cast<std::byte>(range.begin + i);
    return bytes;
  }

  // Whether the bytes of a range come out of a piece, and are right.
  bool has(ByteRange range) {
    const BlockPtr piece = pieces_.take(range);
    if (!piece) return false;
    const ByteView bytes = piece->pages.bytes().subspan(pieces_.offset_in_piece(range), range.size);
    EXPECT_EQ(bytes.front(), static_cast<std::byte>(range.begin));
    EXPECT_EQ(bytes.back(), static_cast<std::byte>(range.begin + range.size - 1));
    return true;
  }

  std::atomic<int> loads_ = 0;
  std::uint64_t broken_ = kFile;
  std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>(1 << 20);
  AheadPieces pieces_{cache_, kFile, kPiece, kAhead, [this](ByteRange r) { return load(r); }};
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(AheadPiecesTest, AnnouncesEachPieceOnceAsRangesFollowEachOther) {
  EXPECT_EQ(pieces_.announce({150, 160}), (Numbers{2, 3}));
  EXPECT_EQ(pieces_.announce({310, 100}), (Numbers{4}));
  EXPECT_EQ(pieces_.announce({310, 100}), Numbers());
  EXPECT_EQ(pieces_.announce({950, 1000}), (Numbers{10}));
  EXPECT_EQ(pieces_.announce({kFile, 1000}), Numbers());
}

TEST_F(AheadPiecesTest, LoadsAPieceOnceAndDropsItWhenAllOfItWasRead) {
  ASSERT_EQ(pieces_.announce({0, 200}), (Numbers{0, 1}));
  pieces_.load(0);
  EXPECT_TRUE(has({50, 50})) << "the second half may come first";
  EXPECT_GT(cache_->counters().bytes_held, 0U);
  EXPECT_TRUE(has({0, 50}));
  EXPECT_EQ(loads_, 1);
  EXPECT_EQ(cache_->counters().bytes_held, 0U);
  EXPECT_FALSE(has({0, 50})) << "a piece that was read is nobody's any more";
  pieces_.load(0);
  EXPECT_EQ(loads_, 1);
}

TEST_F(AheadPiecesTest, LoadsForAReaderWhatNobodyHasLoadedYet) {
  ASSERT_EQ(pieces_.announce({1000, 100}), (Numbers{10}));
  EXPECT_TRUE(has({1000, 50})) << "the last one is short";
  EXPECT_EQ(loads_, 1);
  pieces_.load(10);
  EXPECT_EQ(loads_, 1) << "the reader was faster";
}

TEST_F(AheadPiecesTest, LoadsAgainWhatTheCacheLetGo) {
  ASSERT_EQ(pieces_.announce({0, 100}), (Numbers{0}));
  pieces_.load(0);
  for (std::uint64_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(cache_->get({1, i}, []() -> Result<Block> { return Block{{}, Buffer(10'000)}; }));
  EXPECT_TRUE(has({0, 100}));
  EXPECT_EQ(loads_, 2);
}

TEST_F(AheadPiecesTest, HasNothingOfAPieceThatIsNotWhole) {
  broken_ = 100;
  ASSERT_EQ(pieces_.announce({0, 300}), (Numbers{0, 1, 2}));
  EXPECT_FALSE(has({100, 10}));
  EXPECT_FALSE(has({110, 10}));
  EXPECT_EQ(loads_, 1) << "one attempt is enough";
  EXPECT_TRUE(has({200, 10}));
}

TEST_F(AheadPiecesTest, ForgetsWhatLiesFarFromWhereTheReaderIs) {
  ASSERT_EQ(pieces_.announce({0, 100}), (Numbers{0}));
  ASSERT_EQ(pieces_.announce({900, 100}), (Numbers{9}));
  EXPECT_FALSE(has({0, 100}));
  EXPECT_TRUE(has({900, 100}));
}

TEST_F(AheadPiecesTest, EndsRangesWherePiecesEnd) {
  EXPECT_EQ(pieces_.within_piece({130, 20}), (ByteRange{130, 20}));
  EXPECT_EQ(pieces_.within_piece({130, 100}), (ByteRange{130, 70}));
}

TEST_F(AheadPiecesTest, LoadsEachPieceOnceWhateverTheNumberOfThreads) {
  ASSERT_EQ(pieces_.announce({0, kFile}).size(), 11U);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (std::uint64_t piece = 0; piece < 11; ++piece) pieces_.load(piece);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads_, 11);
}

}  // namespace
}  // namespace epochfs::engine
