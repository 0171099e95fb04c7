#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/core/ordered_pipeline.h"
#include "engine/segment/codec.h"
#include "engine/segment/segment_output.h"

namespace epochfs::engine {
namespace {

struct PlainBlock {
  PageNo first;
  Bytes bytes;
};

struct StoredBlock {
  Bytes frame;
  std::vector<std::uint64_t> page_hashes;
  StateHash state;  // of its pages
};

std::uint32_t block_bytes_for(std::uint32_t wanted, PageSize page_size) {
  const std::uint32_t least = std::max(native::kBlockBytesMin, page_size.bytes());
  return std::bit_floor(std::clamp(wanted, least, native::kBlockBytesMax));
}

Result<StoredBlock> store_block(PlainBlock block, PageSize page_size, int level) {
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

}  // namespace

class FullWriter::Impl {
 public:
  Impl(Upload& upload, PageSize page_size, const SegmentWriterOptions& options)
      : page_size_(page_size),
        block_bytes_(block_bytes_for(options.block_bytes, page_size)),
        output_(upload, options.level),
        pipeline_(
            options.threads, std::size_t{2} * thread_count(options.threads),
            [page_size, level = options.level](PlainBlock&& block) {
              return store_block(std::move(block), page_size, level);
            },
            [this](StoredBlock&& block) { return take(std::move(block)); }) {}

  Result<void> append(ByteView bytes) {
    while (!bytes.empty()) {
      const ByteView part = bytes.first(std::min(bytes.size(), block_bytes_ - block_.size()));
      block_.insert(block_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (block_.size() == block_bytes_) TRY(push_block());
    }
    return {};
  }

  Result<SegmentSummary> finish(native::EpochFacts epoch) {
    if (!block_.empty()) TRY(push_block());
    TRY(pipeline_.finish());
    if (epoch.epoch == Epoch(0) || epoch.size_bytes != image_bytes_)
      return Error::invalid(fmt::format("epoch {} of {} bytes for an image of {}",
                                        epoch.epoch.get(), epoch.size_bytes, image_bytes_));
    state_.add_size(image_bytes_);
    epoch.state = state_;
    TRY(flush_rows());
    TRY(add_epoch_tables(output_, std::span(&epoch, 1)));
    native::Footer footer;
    footer.kind = native::SegmentKind::kFull;
    footer.page_size = page_size_.bytes();
    footer.block_size = block_bytes_;
    footer.epoch_count = 1;
    footer.end_epoch = epoch.epoch;
    footer.image_bytes = image_bytes_;
    footer.version_count = page_size_.pages_in(image_bytes_);
    TRY_ASSIGN(SegmentSummary summary, output_.finish(footer));
    summary.state = state_;
    return summary;
  }

 private:
  Result<void> push_block() {
    const std::uint64_t first = image_bytes_ / page_size_.bytes() + 1;
    image_bytes_ += block_.size();
    if (page_size_.pages_in(image_bytes_) > kPageCountMax)
      return Error::invalid(fmt::format("more than {} pages", kPageCountMax));
    PlainBlock block{PageNo(static_cast<std::uint32_t>(first)), std::move(block_)};
    block_ = Bytes();
    block_.reserve(block_bytes_);
    return pipeline_.push(std::move(block));
  }

  Result<void> take(StoredBlock block) {
    TRY(output_.put_unit(block.frame));
    state_ += block.state;
    rows_.push_back({static_cast<std::uint32_t>(block.frame.size()), std::move(block.page_hashes)});
    return rows_.size() < native::kBlocksPerChunk ? Result<void>() : flush_rows();
  }

  Result<void> flush_rows() {
    if (rows_.empty()) return {};
    TRY(output_.add_table(native::TableKind::kBlocks, rows_.size(), native::encode_blocks(rows_)));
    rows_.clear();
    return {};
  }

  const PageSize page_size_;
  const std::uint32_t block_bytes_;
  SegmentOutput output_;
  Bytes block_;                    // being filled
  std::uint64_t image_bytes_ = 0;  // of the blocks before it
  StateHash state_;
  std::vector<native::BlockRow> rows_;                 // of the chunk being filled
  OrderedPipeline<PlainBlock, StoredBlock> pipeline_;  // last: its consumer uses the others
};

FullWriter::FullWriter(Upload& upload, PageSize page_size, const SegmentWriterOptions& options)
    : impl_(std::make_unique<Impl>(upload, page_size, options)) {}
FullWriter::FullWriter(FullWriter&&) noexcept = default;
FullWriter& FullWriter::operator=(FullWriter&&) noexcept = default;
FullWriter::~FullWriter() = default;

Result<void> FullWriter::append(ByteView bytes) { return impl_->append(bytes); }

Result<SegmentSummary> FullWriter::finish(native::EpochFacts epoch) { return impl_->finish(epoch); }

}  // namespace epochfs::engine
