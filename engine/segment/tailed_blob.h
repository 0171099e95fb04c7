// A stored object whose last bytes are in memory, read at once: where a segment has its tables.
//
// Threads   immutable once open
// Memory    at most kTailBytes
#pragma once

#include <algorithm>
#include <memory>

#include "engine/storage/storage.h"

namespace epochfs::engine {

class TailedBlob {
 public:
  static constexpr std::uint64_t kTailBytes = 256 * 1024;  // mostly all the tables that there are

  static Result<TailedBlob> open(std::shared_ptr<const Blob> blob) {
    TailedBlob tailed(std::move(blob));
    const std::uint64_t size_bytes = tailed.blob_->size_bytes();
    tailed.tail_.resize(std::min(size_bytes, kTailBytes));
    tailed.tail_begin_ = size_bytes - tailed.tail_.size();
    TRY(tailed.blob_->read(tailed.tail_begin_, tailed.tail_));
    return tailed;
  }

  // The range lies inside the object.
  Result<void> read(std::uint64_t offset, MutableByteView out) const {
    if (offset < tail_begin_) return blob_->read(offset, out);
    std::ranges::copy(ByteView(tail_).subspan(offset - tail_begin_, out.size()), out.begin());
    return {};
  }

  [[nodiscard]] const Blob& blob() const noexcept { return *blob_; }

 private:
  explicit TailedBlob(std::shared_ptr<const Blob> blob) : blob_(std::move(blob)) {}

  std::shared_ptr<const Blob> blob_;
  std::uint64_t tail_begin_ = 0;
  Bytes tail_;
};

}  // namespace epochfs::engine
