// Recognises that a file is read from one end to the other, and says what to fetch ahead.
//
// The kernel sends the requests of one reader to several threads, so that neighbours may arrive in
// the wrong order; a request near the front of the run still belongs to it.
//
// Threads   any; one object per open file
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>

#include "engine/core/units.h"

namespace epochfs::fs {

class SequentialReads {
 public:
  static constexpr std::uint64_t kWindowFirst = 512 * 1024;
  static constexpr std::uint64_t kWindowMax = 4 * 1024 * 1024;
  static constexpr std::uint64_t kDisorderMax = 512 * 1024;

  // `window_max`: how much may be fetched and not yet read.
  explicit SequentialReads(std::uint64_t window_max = kWindowMax) : window_max_(window_max) {}

  // To be told of every read. The range that is worth fetching now, not necessarily inside the
  // file; nullopt: nothing, or it was asked for already.
  std::optional<engine::ByteRange> after(engine::ByteRange read);

 private:
  const std::uint64_t window_max_;
  std::mutex mutex_;
  std::uint64_t run_bytes_ = 0;      // read since the run began
  std::uint64_t front_ = 0;          // furthest byte read in this run
  std::uint64_t fetched_until_ = 0;  // what was asked for ends here
  std::uint64_t window_ = std::min(kWindowFirst, window_max_);
};

}  // namespace epochfs::fs
