// What a full or a log of a native repository holds, as the file that it was: read anywhere,
// unpacked block by block.
//
// Trust     none: a block is checked against its hash before a byte of it is given out, and the
//           hashes against the manifest's SHA-256
// Threads   any
// Memory    12 bytes per block and 8 per page; blocks live in the cache
// Errors    kCorrupt: damage, with its place · kUnsupported: a segment of a newer version, or one
//           without blocks · of the storage
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cache/block_cache.h"
#include "engine/segment/segment_reader.h"

namespace epochfs::engine {

// A number for a block cache or open segments that nobody has yet: apart from those of databases
// and segments, which do not use the highest bit.
std::uint64_t unused_key() noexcept;

class UnpackedBlob final : public Blob {
 public:
  // Reads the tables. `tables_sha256`: as the manifest says. `bytes_read` adds up what is read from
  // the storage.
  static Result<std::shared_ptr<const UnpackedBlob>> open(
      std::shared_ptr<const Blob> packed, const Sha256Digest& tables_sha256,
      std::shared_ptr<BlockCache> cache, std::shared_ptr<std::atomic<std::uint64_t>> bytes_read);

  [[nodiscard]] const native::Footer& footer() const noexcept { return footer_; }
  // Of the file.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return footer_.image_bytes; }
  // Of the packed object.
  [[nodiscard]] const std::string& version() const noexcept override { return packed_->version(); }
  // Large pieces go past the cache.
  Result<void> read(std::uint64_t offset, MutableByteView out) const override;

 private:
  struct StoredBlock {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
  };

  UnpackedBlob(std::shared_ptr<const Blob> packed, const native::Footer& footer, PageSize page_size,
               std::shared_ptr<BlockCache> cache,
               std::shared_ptr<std::atomic<std::uint64_t>> bytes_read);
  [[nodiscard]] std::uint64_t plain_bytes(std::uint64_t block) const noexcept;
  [[nodiscard]] std::span<const std::uint64_t> hashes(std::uint64_t block) const noexcept;
  Result<Buffer> load(std::uint64_t block) const;
  // The block's bytes from `skip` on, as many as `out` takes.
  Result<void> read_block(std::uint64_t block, std::uint64_t skip, MutableByteView out,
                          bool cached) const;

  std::shared_ptr<const Blob> packed_;
  native::Footer footer_;
  PageSize page_size_;
  std::shared_ptr<BlockCache> cache_;
  std::shared_ptr<std::atomic<std::uint64_t>> bytes_read_;
  std::uint64_t key_;  // in the cache
  std::vector<StoredBlock> blocks_;
  std::vector<std::uint64_t> page_hashes_;
};

}  // namespace epochfs::engine
