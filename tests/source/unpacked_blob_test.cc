// A file out of a full or a log, wherever it is read; and what damage to the segment does to that.
#include "engine/source/unpacked_blob.h"

#include <gtest/gtest.h>

#include "tests/segment/history.h"
#include "tests/support/samples.h"

namespace epochfs::engine {
namespace {

using test::blob_of;
using test::History;
using test::must;
using test::store_segment;
using test::StoredSegment;

Bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  // Half of it repeats, so that compression has something to find.
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(i % 64 < 32 ? random() : i % 251);
  return bytes;
}

StoredSegment log_of(const Bytes& bytes) {
  return store_segment([&](Upload& upload) -> Result<SegmentSummary> {
    LogWriter writer(upload, {});
    TRY(writer.append(bytes));
    return writer.finish(Epoch(4), Epoch(3));
  });
}

class UnpackedBlobTest : public testing::Test {
 protected:
  Result<std::shared_ptr<const UnpackedBlob>> open(const Bytes& segment,
                                                   const Sha256Digest& tables) {
    return UnpackedBlob::open(blob_of(segment), tables, cache_, read_);
  }
  std::shared_ptr<const UnpackedBlob> open(const StoredSegment& segment) {
    return must(open(segment.bytes, segment.summary.tables_sha256));
  }
  // The whole file in pieces of `piece` bytes.
  static Result<Bytes> read_all(const UnpackedBlob& blob, std::size_t piece) {
    Bytes bytes(blob.size_bytes());
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      TRY(blob.read(at, MutableByteView(bytes).subspan(at, std::min(piece, bytes.size() - at))));
    return bytes;
  }

  std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>(8 << 20);
  std::shared_ptr<std::atomic<std::uint64_t>> read_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

TEST_F(UnpackedBlobTest, IsTheFileThatALogWasMadeOf) {
  for (const std::size_t size : {1U, 32U, 65'535U, 65'536U, 65'537U, 1'300'001U}) {
    const Bytes file = noise(size, size);
    const auto blob = open(log_of(file));
    EXPECT_EQ(blob->size_bytes(), size);
    EXPECT_EQ(blob->footer().start_epoch, Epoch(4));
    EXPECT_EQ(blob->footer().end_epoch, Epoch(3));
    for (const std::size_t piece : {997U, 65'536U, 2'000'000U})
      EXPECT_EQ(must(read_all(*blob, piece)), file) << size << " by " << piece;
  }
}

TEST_F(UnpackedBlobTest, IsTheImageThatAFullWasMadeOf) {
  for (const std::uint32_t page_bytes : {512U, 4096U, 65'536U}) {
    History history(must(PageSize::from(page_bytes)), page_bytes);
    history.commit(200'001, 0);
    const auto blob = open(history.full(Epoch(1)));
    EXPECT_EQ(must(read_all(*blob, 1001)), history.image(Epoch(1)));
    EXPECT_EQ(must(read_all(*blob, 1 << 20)), history.image(Epoch(1)));
  }
}

TEST_F(UnpackedBlobTest, ReadsWhatIsAskedAndNothingTwice) {
  const Bytes file = noise(1'000'000, 5);
  const StoredSegment log = log_of(file);
  const auto blob = open(log);
  Bytes piece(10'000);
  must(blob->read(70'000, piece));
  const std::uint64_t once = read_->load();
  EXPECT_GT(once, 0U);
  EXPECT_LT(once, log.bytes.size() / 8);
  must(blob->read(80'000, piece));
  EXPECT_EQ(read_->load(), once);
}

TEST_F(UnpackedBlobTest, NeverReadsBeyondTheEnd) {
  const auto blob = open(log_of(noise(100, 1)));
  Bytes piece(10);
  EXPECT_TRUE(blob->read(90, piece));
  EXPECT_EQ(blob->read(91, piece).error().code, Code::kCorrupt);
  EXPECT_EQ(blob->read(~std::uint64_t{0} - 5, piece).error().code, Code::kCorrupt);
  EXPECT_TRUE(blob->read(100, {}));
}

TEST_F(UnpackedBlobTest, RefusesASegmentOfPages) {
  History history(PageSize(), 3);
  history.commit(10'000, 0).commit(10'000, 2);
  const StoredSegment pages = history.incremental(Epoch(1), Epoch(2), Epoch(2));
  EXPECT_EQ(open(pages.bytes, pages.summary.tables_sha256).error().code, Code::kUnsupported);
}

TEST_F(UnpackedBlobTest, RefusesTablesThatTheManifestDoesNotName) {
  const StoredSegment one = log_of(noise(1000, 1));
  const StoredSegment other = log_of(noise(1000, 2));
  EXPECT_EQ(open(one.bytes, other.summary.tables_sha256).error().code, Code::kCorrupt);
}

TEST_F(UnpackedBlobTest, NoticesEveryFlippedBitOrGivesTheSameBytes) {
  const Bytes file = noise(70'000, 9);
  StoredSegment log = log_of(file);
  // Every bit of tables and footer; of the blocks, which are long, some of each byte's.
  const std::size_t step = epochfs::test::one_of_many_under_sanitizers(17);
  std::size_t unnoticed = 0;
  for (std::size_t at = epochfs::test::first_sample(step); at < log.bytes.size(); at += step) {
    const auto mask = std::byte{1} << (at % 8);
    log.bytes[at] ^= mask;
    const auto blob = open(log.bytes, log.summary.tables_sha256);
    const auto read = blob ? read_all(**blob, 1 << 20) : tl::unexpected(blob.error());
    if (read)
      EXPECT_EQ(*read, file) << at;
    else
      EXPECT_EQ(read.error().code, Code::kCorrupt) << at << ": " << read.error().text;
    if (read) ++unnoticed;
    log.bytes[at] ^= mask;
  }
  EXPECT_LT(unnoticed, 20U);
}

TEST_F(UnpackedBlobTest, NoticesEveryTruncation) {
  const StoredSegment log = log_of(noise(3000, 4));
  for (std::size_t size = 0; size < log.bytes.size(); ++size) {
    const Bytes cut(log.bytes.begin(), log.bytes.begin() + static_cast<long>(size));
    EXPECT_FALSE(open(cut, log.summary.tables_sha256)) << size;
  }
}

TEST_F(UnpackedBlobTest, GivesTheBlocksThatAreSoundBesideADamagedOne) {
  const Bytes file = noise(200'000, 8);
  StoredSegment log = log_of(file);
  // In the first block; more than one byte, for there are bits that mean nothing to zstd.
  for (std::size_t at = 100; at < 108; ++at) log.bytes[at] ^= std::byte{0x40};
  const auto blob = open(log);
  Bytes piece(1000);
  const auto failed = blob->read(0, piece);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kCorrupt);
  EXPECT_NE(failed.error().text.find("block at byte 16"), std::string::npos) << failed.error().text;
  must(blob->read(65'536, piece));
  EXPECT_TRUE(std::equal(piece.begin(), piece.end(), file.begin() + 65'536));
}

}  // namespace
}  // namespace epochfs::engine
