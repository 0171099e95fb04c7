// The states that a log makes of a snapshot, commit by commit: whether it has all their pages, and
// what these add up to.
//
// Threads   one
// Memory    8 bytes per page
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/core/hash.h"
#include "engine/formats/zlayer/facts.h"

namespace epochfs::engine {

// How far a log's frames cover the growth of the database behind a snapshot.
class ZlayerCoverage {
 public:
  explicit ZlayerCoverage(const zlayer::SnapshotFacts& snapshot);

  // Commits in their order, all of the same log.
  bool covers(const zlayer::WalFacts& facts, const zlayer::WalCommit& commit);

 private:
  std::uint32_t end_;  // pages up to here are in one or the other
  std::uint32_t lock_page_;
  std::uint32_t frame_ = 0;  // up to here the frames were looked at
  std::unordered_set<std::uint32_t> written_;
};

class ZlayerStates {
 public:
  // The snapshot as it is.
  explicit ZlayerStates(const zlayer::SnapshotFacts& base);

  // The frames behind those that were applied before, up to the commit's. The commit's size is
  // bounded by pages and frames that are there.
  void apply(const zlayer::WalFacts& facts, const zlayer::WalCommit& commit);
  // Another log on top of what is there: what lies behind the end of that is gone.
  void begin_log();

  [[nodiscard]] StateHash state() const;
  [[nodiscard]] std::uint64_t size_bytes() const noexcept;

 private:
  void resize(std::uint32_t pages);

  PageSize page_size_;
  std::uint64_t zero_page_hash_;
  std::vector<std::uint64_t> hashes_;  // also of pages behind the end, as they were last
  std::unordered_map<std::uint32_t, std::uint64_t> beyond_;  // written, but never yet inside
  std::uint32_t pages_ = 0;
  std::uint32_t frame_ = 0;
  StateHash state_;
};

}  // namespace epochfs::engine
