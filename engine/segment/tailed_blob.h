// A stored object whose last bytes are in memory, read at once: where a segment has its tables.
//
// Threads   immutable once open
// Memory    kTailBytes, or as much as was asked for with reach_back_to()
#pragma once

#include <algorithm>
#include <memory>

#include "engine/storage/storage.h"

namespace epochfs::engine {

class TailedBlob {
 public:
  static constexpr std::uint64_t kTailBytes = 256 * 1024;  // mostly all the tables that there are

  static Result<TailedBlob> open(std::shared_ptr<const Blob> blob) {
    TailedBlob tailed(std::move(blob), Bytes());
    const std::uint64_t size_bytes = tailed.blob_->size_bytes();
    TRY(tailed.reach_back_to(size_bytes - std::min(size_bytes, kTailBytes)));
    return tailed;
  }
  // The same by name: one request of an object store.
  static Result<TailedBlob> open(const Storage& storage, std::string_view name) {
    TRY_ASSIGN(Storage::Tailed tailed, storage.open_with_tail(name, kTailBytes));
    return TailedBlob(std::move(tailed.blob), std::move(tailed.tail));
  }

  // Has everything from `offset` on in memory. To be called before it is shared.
  Result<void> reach_back_to(std::uint64_t offset) {
    if (offset >= tail_begin_) return {};
    Bytes longer(blob_->size_bytes() - offset);
    const std::size_t added = tail_begin_ - offset;
    TRY(blob_->read(offset, MutableByteView(longer).first(added)));
    copy_bytes(tail_, MutableByteView(longer).subspan(added));
    tail_ = std::move(longer);
    tail_begin_ = offset;
    return {};
  }

  // The range lies inside the object.
  Result<void> read(std::uint64_t offset, MutableByteView out) const {
    if (offset < tail_begin_) return blob_->read(offset, out);
    copy_bytes(ByteView(tail_).subspan(offset - tail_begin_, out.size()), out);
    return {};
  }

  [[nodiscard]] const Blob& blob() const noexcept { return *blob_; }

 private:
  TailedBlob(std::shared_ptr<const Blob> blob, Bytes tail)
      : blob_(std::move(blob)),
        tail_begin_(blob_->size_bytes() - tail.size()),
        tail_(std::move(tail)) {}

  std::shared_ptr<const Blob> blob_;
  std::uint64_t tail_begin_;
  Bytes tail_;
};

}  // namespace epochfs::engine
