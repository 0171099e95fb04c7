#include "engine/segment/segment_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/segment/codec.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

}  // namespace

SegmentOutput::SegmentOutput(Upload& upload, int level)
    : upload_(upload), level_(level), buffer_(native::signature_frame()) {
  buffer_.reserve(kBufferBytes + native::kUnitBytesMax);
}

Result<void> SegmentOutput::put_unit(ByteView unit) {
  ++unit_count_;
  return put(unit);
}

Result<void> SegmentOutput::add_table(native::TableKind kind, std::size_t rows, ByteView raw) {
  TRY_ASSIGN(const Bytes frame, compress_frame(raw, 0, level_));
  Bytes chunk = native::encode_table_header({kind, static_cast<std::uint32_t>(rows),
                                             static_cast<std::uint32_t>(raw.size()),
                                             static_cast<std::uint32_t>(frame.size())});
  chunk.insert(chunk.end(), frame.begin(), frame.end());
  tables_.push_back(std::move(chunk));
  return {};
}

Result<SegmentSummary> SegmentOutput::finish(native::Footer footer) {
  footer.unit_count = unit_count_;
  footer.tables_offset = size_bytes_ + buffer_.size();
  Xxh3 tables_hash;
  Sha256 tables_sha256;
  for (const Bytes& chunk : tables_) {
    footer.tables_bytes += chunk.size();
    tables_hash.update(chunk);
    tables_sha256.update(chunk);
    TRY(put(chunk));
  }
  footer.tables_hash = tables_hash.value();
  const Bytes footer_frame = native::encode_footer(footer);
  tables_sha256.update(footer_frame);
  TRY(put(footer_frame));
  TRY(flush());
  return SegmentSummary{.size_bytes = size_bytes_,
                        .checksum = checksum_.value(),
                        .sha256 = sha256_.finish(),
                        .tables_sha256 = tables_sha256.finish(),
                        .footer = footer,
                        .state = {}};
}

Result<void> SegmentOutput::put(ByteView bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return buffer_.size() < kBufferBytes ? Result<void>() : flush();
}

Result<void> SegmentOutput::flush() {
  checksum_.update(buffer_);
  sha256_.update(buffer_);
  TRY(upload_.append(buffer_));
  size_bytes_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> add_epoch_tables(SegmentOutput& output, std::span<const native::EpochFacts> epochs) {
  for (std::size_t i = 1; i < epochs.size(); ++i) {
    if (epochs[i].epoch <= epochs[i - 1].epoch || epochs[i].committed < epochs[i - 1].committed)
      return Error::invalid(fmt::format("epoch {} runs backwards", epochs[i].epoch.get()));
  }
  while (!epochs.empty()) {
    const auto chunk = epochs.first(std::min<std::size_t>(epochs.size(), native::kEpochsPerChunk));
    TRY(output.add_table(native::TableKind::kEpochs, chunk.size(), native::encode_epochs(chunk)));
    epochs = epochs.subspan(chunk.size());
  }
  return {};
}

}  // namespace epochfs::engine
