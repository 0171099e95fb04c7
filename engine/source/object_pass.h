// One object, read once from front to back; the CRC of what was read adds up on the way.
//
// Threads   one may use it; another reads the next piece meanwhile
// Memory    two buffers of kPieceBytes
// Errors    kCorrupt: more is wanted than there is · those of the storage
#pragma once

#include <array>
#include <future>
#include <memory>

#include "engine/core/hash.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

class ObjectPass {
 public:
  static constexpr std::size_t kPieceBytes = 1024 * 1024;

  explicit ObjectPass(std::shared_ptr<const Blob> blob) : blob_(std::move(blob)) {}

  ObjectPass(const ObjectPass&) = delete;
  ObjectPass& operator=(const ObjectPass&) = delete;
  ~ObjectPass() = default;

  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t left() const noexcept { return blob_->size_bytes() - position_; }

  // At least one byte and at most `most`, as many as are at hand. They stay until the next call.
  Result<ByteView> next(std::uint64_t most);
  template <std::size_t Count>
  Result<std::array<std::byte, Count>> take() {
    std::array<std::byte, Count> bytes{};
    TRY(fill(bytes));
    return bytes;
  }
  // Reads what is left; the CRC of the whole object.
  Result<std::uint32_t> finish();

 private:
  Result<void> fill(MutableByteView out);
  Result<void> turn_over();
  Result<void> load(std::uint64_t offset);

  std::shared_ptr<const Blob> blob_;
  Bytes buffer_;
  ByteView at_hand_;
  std::uint64_t position_ = 0;  // of the first byte that nobody got yet
  Bytes next_;
  Crc32 crc_;                         // `next_` included
  std::future<Result<void>> coming_;  // last: it is waited for before what it uses goes
};

}  // namespace epochfs::engine
