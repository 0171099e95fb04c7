// The pieces of one file that somebody who reads all of it will want next: each decoded at once,
// past the cache of blocks, and kept until it has been read.
//
// Why       a reader who goes through a file needs no block twice, the kernel keeps what he got.
//           So a piece costs one decoding, one answer, and drives nothing out of the cache
// Threads   any
// Memory    the pieces live in the cache, under its budget; what it lets go is loaded again
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/cache/block_cache.h"

namespace epochfs::engine {

class AheadPieces {
 public:
  // What the file holds in a range, which is one piece.
  using Load = std::function<Result<Buffer>(ByteRange range)>;

  AheadPieces(std::shared_ptr<BlockCache> cache, std::uint64_t file_bytes,
              std::uint64_t piece_bytes, std::uint64_t bytes_ahead, Load load);

  // The pieces that begin in `range`, to be load()ed. Those that lie far from it and were never
  // read are forgotten.
  std::vector<std::uint64_t> announce(ByteRange range);
  // Does what announce() asked for, unless a reader was faster. A failure is the reader's to find.
  void load(std::uint64_t piece);

  // The longest range from the beginning of `range` on that lies in one piece.
  [[nodiscard]] ByteRange within_piece(ByteRange range) const noexcept;
  // The piece that `range` lies in, from wherever it is, for somebody who reads that range now.
  // null: it was not announced, or cannot be had as a whole.
  BlockPtr take(ByteRange range);
  // Where the range lies in its piece.
  [[nodiscard]] std::uint64_t offset_in_piece(ByteRange range) const noexcept {
    return range.begin % piece_bytes_;
  }

 private:
  [[nodiscard]] ByteRange range_of(std::uint64_t piece) const noexcept;
  [[nodiscard]] BlockKey key_of(std::uint64_t piece) const noexcept { return {object_, piece}; }
  Result<BlockPtr> get(std::uint64_t piece);
  [[nodiscard]] bool is_announced(std::uint64_t piece);
  // That many of its bytes will not be asked for again.
  void count_read(std::uint64_t piece, std::uint64_t bytes);

  const std::shared_ptr<BlockCache> cache_;
  const std::uint64_t file_bytes_;
  const std::uint64_t piece_bytes_;
  const std::uint64_t bytes_ahead_;
  const Load load_;
  const std::uint64_t object_;  // of this file's pieces in the cache
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> unread_;  // announced piece: how much of it is to be read
};

}  // namespace epochfs::engine
