#include "engine/source/ahead_blob.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/storage/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

class AheadBlobTest : public testing::Test {
 protected:
  std::shared_ptr<const Blob> stored(std::size_t size) {
    std::minstd_rand random(static_cast<unsigned>(size));
    content_.resize(size);
    for (std::byte& byte : content_) byte = static_cast<std::byte>(random());
    EXPECT_TRUE(storage_->replace("object", content_, std::nullopt));
    return std::make_shared<const AheadBlob>(*storage_->open("object"));
  }

  const std::shared_ptr<FaultyStorage> storage_ =
      std::make_shared<FaultyStorage>(make_memory_storage("memory"));
  Bytes content_;
};

TEST_F(AheadBlobTest, HasTheBytesOfTheObjectWhereverItIsRead) {
  constexpr std::size_t kSize = 3 * AheadBlob::kPieceBytes + 17;
  const auto blob = stored(kSize);
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200; ++i) {
    const std::size_t offset = random() % kSize;
    Bytes out(random() % std::min<std::size_t>(kSize - offset, 1'500'000));
    ASSERT_TRUE(blob->read(offset, out));
    ASSERT_TRUE(
        std::equal(out.begin(), out.end(), content_.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  Bytes out(2);
  EXPECT_EQ(blob->read(kSize - 1, out).error().code, Code::kCorrupt);
}

TEST_F(AheadBlobTest, ReadsEachPieceOnceForWhoeverReadsInOrder) {
  const auto blob = stored(40 * AheadBlob::kPieceBytes);
  Bytes out(100'000);
  for (std::uint64_t at = 0; at + out.size() <= blob->size_bytes(); at += out.size())
    ASSERT_TRUE(blob->read(at, out));
  EXPECT_EQ(storage_->count({Operation::kRead}), 40U);
}

TEST_F(AheadBlobTest, FailsWhereTheObjectCannotBeRead) {
  const auto blob = stored(2 * AheadBlob::kPieceBytes);
  storage_->fail({.operations = {Operation::kRead}, .lasting = true});
  Bytes out(10);
  EXPECT_EQ(blob->read(5, out).error().text, "injected failure");
}

}  // namespace
}  // namespace epochfs::engine
