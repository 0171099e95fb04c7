// A stored object for somebody who reads all of it from the beginning to the end, perhaps several
// times: in large pieces, several of which are on their way at once.
//
// Threads   any
// Memory    kPieces pieces of kPieceBytes
#pragma once

#include <future>
#include <list>
#include <memory>
#include <mutex>

#include "engine/storage/storage.h"

namespace epochfs::engine {

class AheadBlob final : public Blob {
 public:
  static constexpr std::uint64_t kPieceBytes = 1024 * 1024;
  static constexpr std::size_t kPieces = 32;
  static constexpr std::uint64_t kPiecesAhead = 12;

  explicit AheadBlob(std::shared_ptr<const Blob> blob) : blob_(std::move(blob)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return blob_->size_bytes(); }
  [[nodiscard]] const std::string& version() const noexcept override { return blob_->version(); }
  Result<void> read(std::uint64_t offset, MutableByteView out) const override;

 private:
  using Outcome = std::shared_ptr<const Result<Bytes>>;
  struct Piece {
    std::uint64_t number = 0;
    std::shared_future<Outcome> outcome;
  };

  // The piece, and those behind it on their way.
  std::shared_future<Outcome> piece(std::uint64_t number) const;
  Piece& fetch(std::uint64_t number) const;  // under the mutex
  [[nodiscard]] Outcome load(std::uint64_t number) const;

  std::shared_ptr<const Blob> blob_;
  mutable std::mutex mutex_;
  mutable std::list<Piece> recent_;  // last used first; last member: waits for what is on its way
};

}  // namespace epochfs::engine
