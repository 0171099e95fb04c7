#include "engine/cache/block_cache.h"

#include <exception>
#include <utility>

namespace epochfs::engine {
namespace {

// What an entry costs beside its bytes: list and map nodes, control block. Generous on purpose.
constexpr std::uint64_t kEntryOverhead = 256;
// Blocks and records come and go in every size, and the allocator loses about an eighth between
// them (measured: random reads in a full cache).
constexpr std::uint64_t kFragmentation = 8;

std::uint64_t cost_of(const Block& block) {
  const std::uint64_t bytes = block.pages.size() + block.epochs.capacity() * sizeof(Epoch);
  return bytes + bytes / kFragmentation + kEntryOverhead;
}

}  // namespace

std::size_t BlockCache::KeyHash::operator()(const BlockKey& key) const noexcept {
  // Offsets of neighbours differ in their low bits only: spread them (splitmix64's finisher).
  std::uint64_t x = key.offset ^ (key.object * 0x9e3779b97f4a7c15ULL);
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

BlockCache::BlockCache(std::uint64_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

BlockCache::Shard& BlockCache::shard_of(const BlockKey& key) noexcept {
  // The map uses the hash's low bits, so the shard takes the high ones.
  return shards_[KeyHash()(key) >> 60U];
}

Result<BlockPtr> BlockCache::get(const BlockKey& key, const std::function<Result<Block>()>& load) {
  Shard& shard = shard_of(key);
  std::shared_ptr<Flight> flight;
  {
    std::unique_lock lock(shard.mutex);
    if (const auto found = shard.entries.find(key); found != shard.entries.end()) {
      shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
      hits_.fetch_add(1, std::memory_order_relaxed);
      return found->second->block;
    }
    if (const auto found = shard.flights.find(key); found != shard.flights.end()) {
      flight = found->second;
      shard.landed.wait(lock, [&] { return flight->result.has_value(); });
      hits_.fetch_add(1, std::memory_order_relaxed);
      return *flight->result;
    }
    flight = std::make_shared<Flight>();
    shard.flights.emplace(key, flight);
  }
  misses_.fetch_add(1, std::memory_order_relaxed);

  const auto land = [&](Result<BlockPtr> result) {
    const std::lock_guard lock(shard.mutex);
    if (result) keep(shard, key, *result);
    flight->result = std::move(result);
    shard.flights.erase(key);
    shard.landed.notify_all();
  };
  try {
    Result<Block> loaded = load();
    Result<BlockPtr> result;
    if (loaded)
      result = std::make_shared<const Block>(*std::move(loaded));
    else
      result = tl::unexpected(std::move(loaded).error());
    land(result);
    return result;
  } catch (...) {
    // Those who wait must not wait for ever; they get an error, the caller its exception. The text
    // is short enough to need no memory.
    land(Error::io("load failed"));
    throw;
  }
}

bool BlockCache::has(const BlockKey& key) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  return shard.entries.contains(key) || shard.flights.contains(key);
}

void BlockCache::drop(const BlockKey& key) {
  std::list<Entry> dropped;  // goes when the lock is free again
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end()) return;
  shard.bytes -= found->second->cost;
  dropped.splice(dropped.begin(), shard.recent, found->second);
  shard.entries.erase(found);
}

void BlockCache::keep(Shard& shard, const BlockKey& key, const BlockPtr& block) const {
  const std::uint64_t cost = cost_of(*block);
  if (cost > shard_bytes_max_) return;
  // All or nothing when memory is short: only a splice cannot fail.
  std::list<Entry> fresh = {Entry{key, block, cost}};
  shard.entries.emplace(key, fresh.begin());
  shard.recent.splice(shard.recent.begin(), fresh);
  shard.bytes += cost;
  while (shard.bytes > shard_bytes_max_) {
    const Entry& oldest = shard.recent.back();
    shard.bytes -= oldest.cost;
    shard.entries.erase(oldest.key);
    shard.recent.pop_back();
  }
}

BlockCache::Counters BlockCache::counters() const {
  Counters counters{hits_.load(std::memory_order_relaxed), misses_.load(std::memory_order_relaxed),
                    0, shard_bytes_max_ * kShards};
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    counters.bytes_held += shard.bytes;
  }
  return counters;
}

}  // namespace epochfs::engine
