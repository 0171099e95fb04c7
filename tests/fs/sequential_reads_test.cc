#include "fs/sequential_reads.h"

#include <gtest/gtest.h>

#include <random>

namespace epochfs::fs {
namespace {

using engine::ByteRange;

constexpr std::uint64_t kRequest = 128 * 1024;

TEST(SequentialReadsTest, FetchesNothingForTheFirstRead) {
  SequentialReads reads;
  EXPECT_FALSE(reads.after({0, kRequest}));
}

TEST(SequentialReadsTest, StaysAheadOfAReaderWithoutGapOrOverlap) {
  SequentialReads reads;
  std::uint64_t fetched_until = 0;
  for (std::uint64_t at = 0; at < 64 * kRequest; at += kRequest) {
    const auto ahead = reads.after({at, kRequest});
    if (ahead && fetched_until != 0) {
      EXPECT_EQ(ahead->begin, fetched_until);
    }
    if (ahead) fetched_until = ahead->begin + ahead->size;
    if (at > 4 * kRequest) {
      EXPECT_GE(fetched_until, at + kRequest) << "the reader overtook at " << at;
      EXPECT_LE(fetched_until, at + kRequest + SequentialReads::kWindowMax);
    }
  }
}

TEST(SequentialReadsTest, WidensItsWindowUpToTheLargest) {
  SequentialReads reads;
  std::uint64_t ahead_max = 0;
  for (std::uint64_t at = 0; at < 512 * kRequest; at += kRequest)
    if (const auto ahead = reads.after({at, kRequest}))
      ahead_max = std::max(ahead_max, ahead->begin + ahead->size - (at + kRequest));
  EXPECT_EQ(ahead_max, SequentialReads::kWindowMax);
}

TEST(SequentialReadsTest, KeepsTheRunWhenNeighboursArriveInTheWrongOrder) {
  SequentialReads reads;
  bool fetched = false;
  for (std::uint64_t at = 0; at < 16 * kRequest; at += 2 * kRequest) {
    fetched |= reads.after({at + kRequest, kRequest}).has_value();
    fetched |= reads.after({at, kRequest}).has_value();
  }
  EXPECT_TRUE(fetched);
}

TEST(SequentialReadsTest, FetchesNothingForReadsAllOverTheFile) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  SequentialReads reads;
  int fetched = 0;
  for (int i = 0; i < 1000; ++i)
    fetched += reads.after({random() % (1ULL << 40) / 4096 * 4096, 4096}).has_value() ? 1 : 0;
  EXPECT_EQ(fetched, 0);
}

TEST(SequentialReadsTest, BeginsAnewAfterAJump) {
  SequentialReads reads;
  for (std::uint64_t at = 0; at < 64 * kRequest; at += kRequest)
    static_cast<void>(reads.after({at, kRequest}));
  constexpr std::uint64_t kFarAway = 1ULL << 32;
  EXPECT_FALSE(reads.after({kFarAway, kRequest}));
  const auto ahead = reads.after({kFarAway + kRequest, kRequest});
  ASSERT_TRUE(ahead);
  EXPECT_EQ(*ahead, (ByteRange{kFarAway + 2 * kRequest, SequentialReads::kWindowFirst}));
}

}  // namespace
}  // namespace epochfs::fs
