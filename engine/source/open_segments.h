// The segments that are open, of all databases of a repository.
//
// Threads   any; no lock is held while a segment is opened
// Bounds    kOpenSegmentsMax of them; the one that nobody used for longest is let go first. When
//           the process or the system has no descriptor left, all are
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "engine/storage/storage.h"

namespace epochfs::engine {

class OpenSegments {
 public:
  static constexpr std::size_t kOpenSegmentsMax = 256;

  using BlobPtr = std::shared_ptr<const Blob>;
  // What `key` names, held or from `open`. A key never names another segment.
  Result<BlobPtr> get(std::uint64_t key, const std::function<Result<BlobPtr>()>& open);
  // What `attempt` gives. When it fails for lack of descriptors, all segments are let go, and it is
  // tried once more.
  Result<BlobPtr> with_descriptors(const std::function<Result<BlobPtr>()>& attempt);
  // From now on `key` means this one.
  void put(std::uint64_t key, const BlobPtr& blob);
  // The next get() opens it again.
  void forget(std::uint64_t key);

 private:
  struct Held {
    std::uint64_t key = 0;
    BlobPtr blob;
  };

  BlobPtr held(std::uint64_t key);
  void hold(std::uint64_t key, const BlobPtr& blob);
  void let_all_go();

  std::mutex mutex_;
  std::list<Held> recent_;  // last used first
  std::unordered_map<std::uint64_t, std::list<Held>::iterator> by_key_;
};

}  // namespace epochfs::engine
