#include "engine/segment/block_writer.h"

namespace epochfs::engine {
namespace {

// Logs are read from front to back, so blocks are as large as they get, with one hash each.
constexpr std::uint32_t kLogBlockBytes = native::kBlockBytesMax;

SegmentWriterOptions with_log_blocks(SegmentWriterOptions options) {
  options.block_bytes = kLogBlockBytes;
  return options;
}

}  // namespace

LogWriter::LogWriter(Upload& upload, const SegmentWriterOptions& options)
    : blocks_(std::make_unique<BlockWriter>(upload, *PageSize::from(kLogBlockBytes),
                                            with_log_blocks(options))) {}
LogWriter::LogWriter(LogWriter&&) noexcept = default;
LogWriter& LogWriter::operator=(LogWriter&&) noexcept = default;
LogWriter::~LogWriter() = default;

Result<void> LogWriter::append(ByteView bytes) { return blocks_->append(bytes); }

Result<SegmentSummary> LogWriter::finish(Epoch start_epoch, Epoch end_epoch) {
  TRY(blocks_->finish_blocks());
  if (blocks_->size_bytes() == 0) return Error::invalid("a log without a byte");
  native::Footer footer = blocks_->footer(native::SegmentKind::kLog);
  footer.start_epoch = start_epoch;
  footer.end_epoch = end_epoch;
  TRY_ASSIGN(SegmentSummary summary, blocks_->output().finish(footer));
  summary.state = blocks_->state();
  return summary;
}

}  // namespace epochfs::engine
