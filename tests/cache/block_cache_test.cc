#include "engine/cache/block_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <thread>

#ifndef EPOCHFS_SANITIZED  // a sanitizer has an allocator of its own
namespace {

thread_local int fails_at = 0;  // the allocation of this thread that does not succeed; 0: none

}  // namespace

void* operator new(std::size_t size) {
  if (fails_at > 0 && --fails_at == 0) throw std::bad_alloc();
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
#endif

namespace epochfs::engine {
namespace {

Block block_of(std::size_t bytes, std::byte fill) {
  Buffer pages(bytes);
  std::ranges::fill(pages.bytes(), fill);
  return Block{{}, std::move(pages)};
}

std::byte first_of(const BlockPtr& block) { return block->pages.bytes().front(); }

TEST(BlockCacheTest, LoadsABlockOnceAndServesItAgain) {
  BlockCache cache(1 << 20);
  int loads = 0;
  const auto load = [&]() -> Result<Block> {
    ++loads;
    return block_of(100, std::byte{7});
  };
  for (int i = 0; i < 3; ++i) {
    const auto block = cache.get({1, 16}, load);
    ASSERT_TRUE(block);
    EXPECT_TRUE(std::ranges::equal((*block)->pages.bytes(), Bytes(100, std::byte{7})));
  }
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(cache.counters().hits, 2U);
  EXPECT_EQ(cache.counters().misses, 1U);
}

TEST(BlockCacheTest, TellsObjectsAndOffsetsApart) {
  BlockCache cache(1 << 20);
  for (std::uint64_t object = 0; object < 8; ++object) {
    for (std::uint64_t offset = 0; offset < 8; ++offset) {
      const auto fill = static_cast<std::byte>(object * 8 + offset);
      ASSERT_TRUE(
          cache.get({object, offset}, [&]() -> Result<Block> { return block_of(1, fill); }));
    }
  }
  for (std::uint64_t object = 0; object < 8; ++object) {
    for (std::uint64_t offset = 0; offset < 8; ++offset) {
      const auto block =
          cache.get({object, offset}, []() -> Result<Block> { return Error::io("not kept"); });
      ASSERT_TRUE(block);
      EXPECT_EQ(first_of(*block), static_cast<std::byte>(object * 8 + offset));
    }
  }
}

#ifndef EPOCHFS_SANITIZED
TEST(BlockCacheTest, CountsWhatItHoldsAfterMemoryWasShort) {
  BlockCache cache(16 * 4000);
  const auto get = [&](const BlockKey& key, int failing_allocation) {
    const auto block = cache.get(key, [&]() -> Result<Block> {
      Block loaded = block_of(100, std::byte{7});
      fails_at = failing_allocation;
      return loaded;
    });
    fails_at = 0;
    EXPECT_TRUE(block);
  };
  get({1, 0}, 0);
  const std::uint64_t cost = cache.counters().bytes_held;
  int failures = 0;
  for (int allocation = 1; allocation < 10; ++allocation) {
    try {
      get({1, 0x1000U * static_cast<unsigned>(allocation)}, allocation);
    } catch (const std::bad_alloc&) {
      ++failures;
      fails_at = 0;
    }
  }
  EXPECT_GE(failures, 3);  // the block, its place in the list, its place in the map
  std::vector<BlockKey> keys = {{1, 0}};
  for (std::uint64_t i = 1; i < 1000; ++i) keys.push_back({i < 10 ? 1U : 2U, i * 0x1000U});
  for (const BlockKey& key : keys) get(key, 0);
  const auto held =
      std::ranges::count_if(keys, [&](const BlockKey& key) { return cache.has(key); });
  EXPECT_EQ(cache.counters().bytes_held, static_cast<std::uint64_t>(held) * cost);
}
#endif

TEST(BlockCacheTest, StaysWithinItsBudget) {
  constexpr std::uint64_t kBudget = 1 << 20;
  BlockCache cache(kBudget);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(cache.get({1, i}, []() -> Result<Block> { return block_of(10'000, std::byte{}); }));
    EXPECT_LE(cache.counters().bytes_held, kBudget);
  }
  EXPECT_GT(cache.counters().bytes_held, kBudget / 2);
}

TEST(BlockCacheTest, ServesABlockThatIsLargerThanItsBudgetWithoutKeepingIt) {
  BlockCache cache(1024);
  const auto block =
      cache.get({1, 1}, []() -> Result<Block> { return block_of(100'000, std::byte{1}); });
  ASSERT_TRUE(block);
  EXPECT_EQ((*block)->pages.size(), 100'000U);
  EXPECT_EQ(cache.counters().bytes_held, 0U);
}

TEST(BlockCacheTest, LetsGoOfWhatIsDropped) {
  BlockCache cache(1 << 20);
  const auto load = [] { return Result<Block>(block_of(100, std::byte{7})); };
  const auto block = cache.get({1, 1}, load);
  ASSERT_TRUE(cache.get({1, 2}, load));
  cache.drop({1, 1});
  cache.drop({1, 1});
  EXPECT_FALSE(cache.has({1, 1}));
  EXPECT_TRUE(cache.has({1, 2}));
  cache.drop({1, 2});
  EXPECT_EQ(cache.counters().bytes_held, 0U);
  EXPECT_EQ(first_of(*block), std::byte{7}) << "who has it keeps it";
  ASSERT_TRUE(cache.get({1, 1}, load));
  EXPECT_EQ(cache.counters().misses, 3U);
}

TEST(BlockCacheTest, ForgetsWhatWasNotUsedForLongest) {
  BlockCache cache(16 * 3000);  // a few blocks of 1000 bytes per shard
  const auto load = []() -> Result<Block> { return block_of(1000, std::byte{}); };
  ASSERT_TRUE(cache.get({1, 0}, load));
  for (std::uint64_t i = 1; i < 200; ++i) {
    ASSERT_TRUE(cache.get({1, i}, load));
    const auto hits = cache.counters().hits;
    ASSERT_TRUE(cache.get({1, 0}, load));
    EXPECT_EQ(cache.counters().hits, hits + 1) << "block 0 was used all the time, round " << i;
  }
}

TEST(BlockCacheTest, DoesNotKeepFailures) {
  BlockCache cache(1 << 20);
  const auto failed = cache.get({1, 1}, []() -> Result<Block> { return Error::corrupt("bad"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kCorrupt);
  EXPECT_TRUE(cache.get({1, 1}, []() -> Result<Block> { return block_of(1, std::byte{}); }));
}

TEST(BlockCacheTest, LetsTheNextOneTryAfterAnException) {
  BlockCache cache(1 << 20);
  EXPECT_THROW(static_cast<void>(cache.get(
                   {1, 1}, []() -> Result<Block> { throw std::runtime_error("out of luck"); })),
               std::runtime_error);
  EXPECT_TRUE(cache.get({1, 1}, []() -> Result<Block> { return block_of(1, std::byte{}); }));
}

TEST(BlockCacheTest, LoadsOnceForManyThreads) {
  BlockCache cache(1 << 20);
  constexpr int kThreads = 8;
  for (std::uint64_t round = 0; round < 50; ++round) {
    std::atomic<int> loads = 0;
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&] {
        const auto block = cache.get({1, round}, [&]() -> Result<Block> {
          ++loads;
          std::this_thread::yield();
          return block_of(64, static_cast<std::byte>(round));
        });
        if (block && (*block)->pages.bytes()[63] == static_cast<std::byte>(round)) ++good;
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(loads, 1);
    EXPECT_EQ(good, kThreads);
  }
}

}  // namespace
}  // namespace epochfs::engine
