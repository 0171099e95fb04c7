#include "engine/source/unpacked_blob.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/segment/codec.h"

namespace epochfs::engine {
namespace {

// From here on a read is one of many that go through the whole file, and would only drive out of
// the cache what somebody needs again.
constexpr std::size_t kStraightBytes = 512 * 1024;

}  // namespace

std::uint64_t unused_key() noexcept {
  static std::atomic<std::uint64_t> next{std::uint64_t{1} << 63U};
  return next.fetch_add(1, std::memory_order_relaxed);
}

UnpackedBlob::UnpackedBlob(std::shared_ptr<const Blob> packed, const native::Footer& footer,
                           PageSize page_size, std::shared_ptr<BlockCache> cache,
                           std::shared_ptr<std::atomic<std::uint64_t>> bytes_read)
    : packed_(std::move(packed)),
      footer_(footer),
      page_size_(page_size),
      cache_(std::move(cache)),
      bytes_read_(std::move(bytes_read)),
      key_(unused_key()) {}

Result<std::shared_ptr<const UnpackedBlob>> UnpackedBlob::open(
    std::shared_ptr<const Blob> packed, const Sha256Digest& tables_sha256,
    std::shared_ptr<BlockCache> cache, std::shared_ptr<std::atomic<std::uint64_t>> bytes_read) {
  TRY_ASSIGN(const SegmentReader reader, SegmentReader::open(packed, &tables_sha256));
  const native::Footer& footer = reader.footer();
  if (footer.kind == native::SegmentKind::kIncremental)
    return Error::unsupported("a segment of page records where blocks belong");
  TRY_ASSIGN(const PageSize page_size, PageSize::from(footer.page_size));
  const std::shared_ptr<UnpackedBlob> blob(new UnpackedBlob(
      std::move(packed), footer, page_size, std::move(cache), std::move(bytes_read)));
  TRY(reader.visit_blocks([&](std::uint64_t offset, const native::BlockRow& row) -> Result<void> {
    blob->blocks_.push_back({offset, row.stored_bytes});
    blob->page_hashes_.insert(blob->page_hashes_.end(), row.page_hashes.begin(),
                              row.page_hashes.end());
    return {};
  }));
  return blob;
}

std::uint64_t UnpackedBlob::plain_bytes(std::uint64_t block) const noexcept {
  return std::min<std::uint64_t>(footer_.block_size,
                                 footer_.image_bytes - block * footer_.block_size);
}

std::span<const std::uint64_t> UnpackedBlob::hashes(std::uint64_t block) const noexcept {
  const std::uint64_t pages_per_block = footer_.block_size / footer_.page_size;
  return std::span(page_hashes_)
      .subspan(block * pages_per_block, page_size_.pages_in(plain_bytes(block)));
}

Result<Buffer> UnpackedBlob::load(std::uint64_t block) const {
  const StoredBlock& stored = blocks_[block];
  const auto where = [&] { return fmt::format("block at byte {}", stored.offset); };
  Buffer bytes(stored.bytes);
  TRY(with_context(packed_->read(stored.offset, bytes.bytes()), where));
  bytes_read_->fetch_add(bytes.size(), std::memory_order_relaxed);
  return with_context(decode_block(bytes.bytes(), plain_bytes(block), page_size_, hashes(block)),
                      where);
}

Result<void> UnpackedBlob::read_block(std::uint64_t block, std::uint64_t skip, MutableByteView out,
                                      bool cached) const {
  const auto copy = [&](const Buffer& pages) {
    copy_bytes(pages.bytes().subspan(skip, out.size()), out);
  };
  if (!cached) {
    TRY_ASSIGN(const Buffer pages, load(block));
    copy(pages);
    return {};
  }
  TRY_ASSIGN(const BlockPtr kept, cache_->get({key_, block}, [&]() -> Result<Block> {
    TRY_ASSIGN(Buffer pages, load(block));
    return Block{{}, std::move(pages)};
  }));
  copy(kept->pages);
  return {};
}

Result<void> UnpackedBlob::read(std::uint64_t offset, MutableByteView out) const {
  TRY(check_inside(size_bytes(), offset, out.size(), "the segment's file"));
  const bool cached = out.size() < kStraightBytes;
  while (!out.empty()) {
    const std::uint64_t block = offset / footer_.block_size;
    const std::uint64_t skip = offset % footer_.block_size;
    const std::uint64_t size = std::min<std::uint64_t>(out.size(), plain_bytes(block) - skip);
    TRY(read_block(block, skip, out.first(size), cached));
    offset += size;
    out = out.subspan(size);
  }
  return {};
}

}  // namespace epochfs::engine
