#include "engine/source/ahead_blob.h"

#include <algorithm>

namespace epochfs::engine {

Result<void> AheadBlob::read(std::uint64_t offset, MutableByteView out) const {
  TRY(check_inside(size_bytes(), offset, out.size(), "the object"));
  while (!out.empty()) {
    const Outcome bytes = piece(offset / kPieceBytes).get();
    if (!*bytes) return tl::unexpected(bytes->error());
    const ByteView there = ByteView(**bytes).subspan(offset % kPieceBytes);
    const std::size_t count = std::min(there.size(), out.size());
    copy_bytes(there.first(count), out);
    out = out.subspan(count);
    offset += count;
  }
  return {};
}

std::shared_future<AheadBlob::Outcome> AheadBlob::piece(std::uint64_t number) const {
  std::list<Piece> done;  // goes when the lock is free again
  const std::lock_guard lock(mutex_);
  const std::uint64_t pieces = (size_bytes() + kPieceBytes - 1) / kPieceBytes;
  // The one that is wanted comes last, and so is the one that was used last.
  for (std::uint64_t ahead = std::min(number + kPiecesAhead, pieces - 1); ahead > number; --ahead)
    fetch(ahead);
  std::shared_future<Outcome> wanted = fetch(number).outcome;
  while (recent_.size() > kPieces) done.splice(done.begin(), recent_, std::prev(recent_.end()));
  return wanted;
}

AheadBlob::Piece& AheadBlob::fetch(std::uint64_t number) const {
  const auto found = std::ranges::find(recent_, number, &Piece::number);
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
  } else {
    recent_.push_front(
        {number, std::async(std::launch::async, [this, number] { return load(number); }).share()});
  }
  return recent_.front();
}

AheadBlob::Outcome AheadBlob::load(std::uint64_t number) const {
  const std::uint64_t begin = number * kPieceBytes;
  Bytes bytes(std::min(kPieceBytes, size_bytes() - begin));
  auto read = blob_->read(begin, bytes);
  if (!read) return std::make_shared<const Result<Bytes>>(tl::unexpected(read.error()));
  return std::make_shared<const Result<Bytes>>(std::move(bytes));
}

}  // namespace epochfs::engine
