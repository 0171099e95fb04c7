#include "engine/segment/block_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/segment/codec.h"

namespace epochfs::engine {
namespace {

std::uint32_t block_bytes_for(std::uint32_t wanted, PageSize page_size) {
  const std::uint32_t least = std::max(native::kBlockBytesMin, page_size.bytes());
  return std::bit_floor(std::clamp(wanted, least, native::kBlockBytesMax));
}

}  // namespace

BlockWriter::BlockWriter(Upload& upload, PageSize page_size, const SegmentWriterOptions& options)
    : page_size_(page_size),
      block_bytes_(block_bytes_for(options.block_bytes, page_size)),
      output_(upload, options.level),
      pipeline_(
          options.threads, std::size_t{2} * thread_count(options.threads),
          [page_size, level = options.level](PlainBlock&& block) {
            return store(std::move(block), page_size, level);
          },
          [this](StoredBlock&& block) { return take(std::move(block)); }) {}

Result<void> BlockWriter::append(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(bytes.size(), block_bytes_ - block_.size()));
    block_.insert(block_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (block_.size() == block_bytes_) TRY(push_block());
  }
  return {};
}

Result<void> BlockWriter::finish_blocks() {
  if (!block_.empty()) TRY(push_block());
  TRY(pipeline_.finish());
  state_.add_size(size_bytes_);
  return flush_rows();
}

native::Footer BlockWriter::footer(native::SegmentKind kind) const noexcept {
  native::Footer footer;
  footer.kind = kind;
  footer.page_size = page_size_.bytes();
  footer.block_size = block_bytes_;
  footer.image_bytes = size_bytes_;
  footer.version_count = page_size_.pages_in(size_bytes_);
  return footer;
}

Result<BlockWriter::StoredBlock> BlockWriter::store(PlainBlock block, PageSize page_size,
                                                    int level) {
  StoredBlock stored;
  TRY_ASSIGN(stored.frame, compress_frame(block.bytes, 0, level));
  block.bytes.resize(page_size.pages_in(block.bytes.size()) * page_size.bytes());  // zeros
  for (ByteView rest = block.bytes; !rest.empty(); rest = rest.subspan(page_size.bytes())) {
    const PageNo page(block.first.get() + static_cast<std::uint32_t>(stored.page_hashes.size()));
    const std::uint64_t hash = page_hash(rest.first(page_size.bytes()));
    stored.page_hashes.push_back(hash);
    stored.state.add(page, hash);
  }
  return stored;
}

Result<void> BlockWriter::push_block() {
  const std::uint64_t first = size_bytes_ / page_size_.bytes() + 1;
  size_bytes_ += block_.size();
  if (page_size_.pages_in(size_bytes_) > kPageCountMax)
    return Error::invalid(fmt::format("more than {} pages", kPageCountMax));
  PlainBlock block{page_no(first), std::move(block_)};
  block_ = Bytes();
  block_.reserve(block_bytes_);
  return pipeline_.push(std::move(block));
}

Result<void> BlockWriter::take(StoredBlock block) {
  TRY(output_.put_unit(block.frame));
  state_ += block.state;
  rows_.push_back({static_cast<std::uint32_t>(block.frame.size()), std::move(block.page_hashes)});
  return rows_.size() < native::kBlocksPerChunk ? Result<void>() : flush_rows();
}

Result<void> BlockWriter::flush_rows() {
  if (rows_.empty()) return {};
  TRY(output_.add_table(native::TableKind::kBlocks, rows_.size(), native::encode_blocks(rows_)));
  rows_.clear();
  return {};
}

}  // namespace epochfs::engine
