// Pieces of stored objects on a local disk, for storages that are far away.
//
// Trust     what comes out is what went in under that key, or nothing: each file carries a hash
//           over both. One that is damaged is removed
// Sharing   any number of processes may use one directory; anybody may remove anything in it, or
//           all of it, at any time
// Bounds    the process that adds removes what nobody used for longest: one alone stays within
//           `bytes_max`, each further one may exceed it by a sixteenth for a while
// Threads   any
// Private   files 0600 in a directory 0700: they hold what the repository holds
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/storage/storage.h"

namespace epochfs::engine {

class RangeCache {
 public:
  // Pieces begin at multiples of this.
  static constexpr std::uint64_t kPieceBytes = 128 * 1024;

  // Makes the directory, whose parent is there. kIo: it cannot be made or read.
  static Result<std::shared_ptr<RangeCache>> open(std::string directory, std::uint64_t bytes_max);

  // `key` names content that never changes; `size_bytes` is how much of it there is.
  std::optional<Bytes> get(const std::string& key, std::size_t size_bytes);
  // A favour: a disk that is full keeps nothing, and nobody is told.
  void put(const std::string& key, ByteView bytes);
  void remove(const std::string& key);

  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  [[nodiscard]] Counters counters() const noexcept { return {hits_.load(), misses_.load()}; }

 private:
  RangeCache(std::string directory, std::uint64_t bytes_max)
      : directory_(std::move(directory)), bytes_max_(bytes_max) {}

  [[nodiscard]] std::string path_of(const std::string& key) const;
  Result<void> store(const std::string& path, const std::string& key, ByteView bytes) const;
  // Removes the oldest until there is room again.
  Result<void> trim();

  const std::string directory_;
  const std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
  std::atomic<std::uint64_t> added_bytes_ = 0;  // since the last trim
  std::mutex trimming_;
};

// `storage`, whose blobs are read through the cache. Everything else goes past it.
std::shared_ptr<Storage> make_cached_storage(std::shared_ptr<Storage> storage,
                                             std::shared_ptr<RangeCache> cache);

}  // namespace epochfs::engine
