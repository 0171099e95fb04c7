// Decompressed blocks and records under a byte budget, each loaded once however many ask.
//
// Threads   any. One mutex per shard, never held while loading; no lock is taken inside another
// Memory    at most `bytes_max` in the cache; a block that is evicted while somebody reads it lives
// until he is done
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/units.h"

namespace epochfs::engine {

// Where a block lies: a number for the stored object, unique in this process, and the offset in it.
struct BlockKey {
  std::uint64_t object = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
};

// Whole verified pages. A block of a full has consecutive pages and no epochs; a record has one
// page's versions, one epoch each.
struct Block {
  std::vector<Epoch> epochs;
  Buffer pages;
};
using BlockPtr = std::shared_ptr<const Block>;

class BlockCache {
 public:
  explicit BlockCache(std::uint64_t bytes_max);

  // The block, from memory or from `load`. While one caller loads, the others wait for his result,
  // failure included; failures are not kept.
  Result<BlockPtr> get(const BlockKey& key, const std::function<Result<Block>()>& load);

  // Nobody will ask for it again.
  void drop(const BlockKey& key);

  // Whether get() would give it, or wait for whoever loads it, without loading.
  [[nodiscard]] bool has(const BlockKey& key);

  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t bytes_held = 0;
    std::uint64_t bytes_max = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct KeyHash {
    std::size_t operator()(const BlockKey& key) const noexcept;
  };
  struct Flight {
    std::optional<Result<BlockPtr>> result;  // set once, under the shard's mutex
  };
  struct Entry {
    BlockKey key;
    BlockPtr block;
    std::uint64_t cost = 0;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::condition_variable landed;
    std::list<Entry> recent;  // most recently used first
    std::unordered_map<BlockKey, std::list<Entry>::iterator, KeyHash> entries;
    std::unordered_map<BlockKey, std::shared_ptr<Flight>, KeyHash> flights;
    std::uint64_t bytes = 0;
  };

  static constexpr std::size_t kShards = 16;

  Shard& shard_of(const BlockKey& key) noexcept;
  void keep(Shard& shard, const BlockKey& key, const BlockPtr& block) const;

  std::uint64_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
};

}  // namespace epochfs::engine
