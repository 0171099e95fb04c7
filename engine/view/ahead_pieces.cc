#include "engine/view/ahead_pieces.h"

#include <algorithm>
#include <utility>

#include "engine/source/unpacked_blob.h"

namespace epochfs::engine {

AheadPieces::AheadPieces(std::shared_ptr<BlockCache> cache, std::uint64_t file_bytes,
                         std::uint64_t piece_bytes, std::uint64_t bytes_ahead, Load load)
    : cache_(std::move(cache)),
      file_bytes_(file_bytes),
      piece_bytes_(piece_bytes),
      bytes_ahead_(bytes_ahead),
      load_(std::move(load)),
      object_(unused_key()) {}

ByteRange AheadPieces::range_of(std::uint64_t piece) const noexcept {
  const std::uint64_t begin = piece * piece_bytes_;
  return {begin, std::min(piece_bytes_, file_bytes_ - begin)};
}

ByteRange AheadPieces::within_piece(ByteRange range) const noexcept {
  return {range.begin, std::min(range.size, piece_bytes_ - offset_in_piece(range))};
}

std::vector<std::uint64_t> AheadPieces::announce(ByteRange range) {
  const std::uint64_t end = std::min(range.begin + range.size, file_bytes_);
  const std::uint64_t reach = bytes_ahead_ / piece_bytes_ + 1;
  const std::uint64_t first = (range.begin + piece_bytes_ - 1) / piece_bytes_;
  const auto is_far = [&](const auto& unread) {
    return unread.first + reach < first || unread.first > first + reach;
  };
  std::vector<std::uint64_t> pieces;
  const std::lock_guard lock(mutex_);
  std::erase_if(unread_, is_far);
  for (std::uint64_t piece = first; piece * piece_bytes_ < end; ++piece) {
    if (unread_.emplace(piece, range_of(piece).size).second) pieces.push_back(piece);
  }
  return pieces;
}

bool AheadPieces::is_announced(std::uint64_t piece) {
  const std::lock_guard lock(mutex_);
  return unread_.contains(piece);
}

Result<BlockPtr> AheadPieces::get(std::uint64_t piece) {
  return cache_->get(key_of(piece), [&]() -> Result<Block> {
    TRY_ASSIGN(Buffer bytes, load_(range_of(piece)));
    return Block{{}, std::move(bytes)};
  });
}

void AheadPieces::load(std::uint64_t piece) {
  if (!is_announced(piece)) return;
  [[maybe_unused]] const auto kept = get(piece);
}

BlockPtr AheadPieces::take(ByteRange range) {
  const std::uint64_t piece = range.begin / piece_bytes_;
  if (!is_announced(piece)) return nullptr;
  auto block = get(piece);
  // What is wrong with one page of it must not be told of the others.
  count_read(piece, block ? range.size : piece_bytes_);
  return block ? *block : nullptr;
}

void AheadPieces::count_read(std::uint64_t piece, std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = unread_.find(piece);
    if (found == unread_.end()) return;
    if (found->second > bytes) {
      found->second -= bytes;
      return;
    }
    unread_.erase(found);
  }
  cache_->drop(key_of(piece));
}

}  // namespace epochfs::engine
