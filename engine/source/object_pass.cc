#include "engine/source/object_pass.h"

#include <fmt/format.h>

#include <algorithm>

namespace epochfs::engine {

Result<ByteView> ObjectPass::next(std::uint64_t most) {
  if (at_hand_.empty()) {
    if (left() == 0) return Error::corrupt(fmt::format("ends at byte {}", position_));
    TRY(turn_over());
  }
  const ByteView bytes = at_hand_.first(std::min<std::uint64_t>(most, at_hand_.size()));
  at_hand_ = at_hand_.subspan(bytes.size());
  position_ += bytes.size();
  return bytes;
}

Result<void> ObjectPass::turn_over() {
  TRY(coming_.valid() ? coming_.get() : load(position_));
  std::swap(buffer_, next_);
  at_hand_ = buffer_;
  const std::uint64_t behind = position_ + buffer_.size();
  if (behind < blob_->size_bytes())
    coming_ = std::async(std::launch::async, [this, behind] { return load(behind); });
  return {};
}

Result<void> ObjectPass::load(std::uint64_t offset) {
  next_.resize(std::min<std::uint64_t>(kPieceBytes, blob_->size_bytes() - offset));
  TRY(blob_->read(offset, next_));
  crc_.update(next_);
  return {};
}

Result<void> ObjectPass::fill(MutableByteView out) {
  while (!out.empty()) {
    TRY_ASSIGN(const ByteView bytes, next(out.size()));
    copy_bytes(bytes, out);
    out = out.subspan(bytes.size());
  }
  return {};
}

Result<std::uint32_t> ObjectPass::finish() {
  while (left() > 0) TRY(next(kPieceBytes));
  return crc_.value();
}

}  // namespace epochfs::engine
