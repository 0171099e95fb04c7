#include <fmt/format.h>

#include "engine/segment/block_writer.h"

namespace epochfs::engine {

FullWriter::FullWriter(Upload& upload, PageSize page_size, const SegmentWriterOptions& options)
    : blocks_(std::make_unique<BlockWriter>(upload, page_size, options)) {}
FullWriter::FullWriter(FullWriter&&) noexcept = default;
FullWriter& FullWriter::operator=(FullWriter&&) noexcept = default;
FullWriter::~FullWriter() = default;

Result<void> FullWriter::append(ByteView bytes) { return blocks_->append(bytes); }

Result<SegmentSummary> FullWriter::finish(native::EpochFacts epoch) {
  TRY(blocks_->finish_blocks());
  if (epoch.size_bytes != blocks_->size_bytes())
    return Error::invalid(fmt::format("epoch {} of {} bytes for an image of {}", epoch.epoch.get(),
                                      epoch.size_bytes, blocks_->size_bytes()));
  epoch.state = blocks_->state();
  TRY(add_epoch_tables(blocks_->output(), std::span(&epoch, 1)));
  native::Footer footer = blocks_->footer(native::SegmentKind::kFull);
  footer.epoch_count = 1;
  footer.end_epoch = epoch.epoch;
  TRY_ASSIGN(SegmentSummary summary, blocks_->output().finish(footer));
  summary.state = epoch.state;
  return summary;
}

}  // namespace epochfs::engine
