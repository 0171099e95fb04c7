#include "fs/sequential_reads.h"

#include <algorithm>

namespace epochfs::fs {

std::optional<engine::ByteRange> SequentialReads::after(engine::ByteRange read) {
  // Two requests of the kernel's read-ahead; one alone may be a look at the first pages.
  constexpr std::uint64_t kRunBytesMin = 256 * 1024;

  const std::scoped_lock lock(mutex_);
  const std::uint64_t end = read.begin + read.size;
  const bool continues =
      run_bytes_ > 0 && read.begin <= front_ + kDisorderMax && end + kDisorderMax >= front_;
  if (!continues) {
    run_bytes_ = read.size;
    front_ = end;
    fetched_until_ = end;
    window_ = std::min(kWindowFirst, window_max_);
    return std::nullopt;
  }
  if (end > front_) {
    run_bytes_ += std::min(read.size, end - front_);
    front_ = end;
  }
  fetched_until_ = std::max(fetched_until_, front_);
  // Half a window in stock keeps the workers busy without a call for every read.
  if (run_bytes_ < kRunBytesMin || fetched_until_ - front_ > window_ / 2) return std::nullopt;
  const engine::ByteRange ahead{fetched_until_, front_ + window_ - fetched_until_};
  fetched_until_ = front_ + window_;
  window_ = std::min(window_ * 2, window_max_);
  return ahead;
}

}  // namespace epochfs::fs
