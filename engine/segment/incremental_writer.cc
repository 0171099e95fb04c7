#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/core/ordered_pipeline.h"
#include "engine/segment/codec.h"
#include "engine/segment/segment_output.h"

namespace epochfs::engine {
namespace {

// Records that one worker compresses at a time: enough that handing them over costs little.
constexpr std::size_t kBatchBytes = 256 * 1024;

struct PlainRecord {
  PageNo page;
  std::vector<Epoch> epochs;
  std::vector<std::uint64_t> hashes;
  Bytes bytes;  // the prefix, if any, and the versions
  std::size_t prefix_bytes = 0;

  [[nodiscard]] ByteView versions() const { return ByteView(bytes).subspan(prefix_bytes); }
};

struct RecordBatch {
  std::vector<PlainRecord> records;
  std::size_t bytes = 0;  // of their versions
};

struct StoredBatch {
  Bytes units;  // one after another
  std::vector<native::RecordRow> rows;
};

Result<void> check_hashes(const PlainRecord& record, PageSize page_size) {
  for (std::size_t i = 0; i < record.hashes.size(); ++i) {
    const ByteView version = record.versions().subspan(i * page_size.bytes(), page_size.bytes());
    if (page_hash(version) != record.hashes[i])
      return Error::invalid(fmt::format("page {} of epoch {} came with the hash of another",
                                        record.page.get(), record.epochs[i].get()));
  }
  return {};
}

Result<StoredBatch> store_batch(RecordBatch batch, PageSize page_size, int level) {
  StoredBatch stored;
  for (PlainRecord& record : batch.records) {
    TRY(check_hashes(record, page_size));
    TRY_ASSIGN(const Bytes frame, compress_frame(record.bytes, record.prefix_bytes, level));
    const Bytes header = native::encode_record_header(
        {record.page, record.prefix_bytes != 0, record.epochs, std::move(record.hashes)});
    stored.units.insert(stored.units.end(), header.begin(), header.end());
    stored.units.insert(stored.units.end(), frame.begin(), frame.end());
    stored.rows.push_back({record.page, static_cast<std::uint32_t>(header.size() + frame.size()),
                           std::move(record.epochs)});
  }
  return stored;
}

}  // namespace

class IncrementalWriter::Impl {
 public:
  Impl(Upload& upload, PageSize page_size, BaseImage base, Epoch start_epoch, Epoch end_epoch,
       const SegmentWriterOptions& options)
      : page_size_(page_size),
        base_(base),
        start_epoch_(start_epoch),
        end_epoch_(end_epoch),
        output_(upload, options.level),
        pipeline_(
            options.threads, std::size_t{2} * thread_count(options.threads),
            [page_size, level = options.level](RecordBatch&& batch) {
              return store_batch(std::move(batch), page_size, level);
            },
            [this](StoredBatch&& batch) { return take(std::move(batch)); }) {}

  Result<void> append(PageNo page, Epoch epoch, std::uint64_t hash, ByteView bytes,
                      ByteView prefix) {
    TRY(check_version(page, epoch, bytes));
    if (page != record_.page) {
      TRY(check_prefix(page, prefix));
      TRY(end_record());
      record_.page = page;
      // What the reader is given as a prefix, or nothing at all.
      if (native::is_usable_prefix(prefix)) begin_with(prefix);
    } else if (record_.epochs.size() == native::versions_per_record(page_size_)) {
      const ByteView same = ByteView(record_.bytes).first(record_.prefix_bytes);
      const Bytes same_prefix(same.begin(), same.end());
      TRY(end_record());
      record_.page = page;
      begin_with(same_prefix);
    }
    record_.epochs.push_back(epoch);
    record_.hashes.push_back(hash);
    record_.bytes.insert(record_.bytes.end(), bytes.begin(), bytes.end());
    newest_of_page_ = epoch;
    ++version_count_;
    return {};
  }

  Result<SegmentSummary> finish(std::span<const native::EpochFacts> epochs) {
    TRY(check_epochs(epochs));
    TRY(end_record());
    TRY(push_batch());
    TRY(pipeline_.finish());
    TRY(flush_rows());
    TRY(add_epoch_tables(output_, epochs));
    native::Footer footer;
    footer.kind = native::SegmentKind::kIncremental;
    footer.page_size = page_size_.bytes();
    footer.epoch_count = static_cast<std::uint32_t>(epochs.size());
    footer.start_epoch = start_epoch_;
    footer.end_epoch = end_epoch_;
    footer.base_epoch = base_.epoch;
    footer.image_bytes = base_.image_bytes;
    footer.version_count = version_count_;
    return output_.finish(footer);
  }

 private:
  [[nodiscard]] Result<void> check_version(PageNo page, Epoch epoch, ByteView bytes) const {
    const bool in_order = page > record_.page || (page == record_.page && epoch > newest_of_page_);
    if (!in_order || page == PageNo(0) || page.get() > kPageCountMax || epoch < start_epoch_ ||
        epoch > end_epoch_ || bytes.size() != page_size_.bytes())
      return Error::invalid(fmt::format("page {} of epoch {}, {} bytes: out of order or range",
                                        page.get(), epoch.get(), bytes.size()));
    return {};
  }

  [[nodiscard]] Result<void> check_prefix(PageNo page, ByteView prefix) const {
    const bool in_base = page.get() <= page_size_.pages_in(base_.image_bytes);
    if (prefix.empty() || (in_base && prefix.size() == page_size_.bytes())) return {};
    return Error::invalid(fmt::format("{} bytes as image of page {} in a full of {} bytes",
                                      prefix.size(), page.get(), base_.image_bytes));
  }

  [[nodiscard]] Result<void> check_epochs(std::span<const native::EpochFacts> epochs) const {
    bool complete = base_.epoch > Epoch(0) && start_epoch_ > base_.epoch &&
                    end_epoch_ >= start_epoch_ &&
                    epochs.size() <= std::numeric_limits<std::uint32_t>::max() &&
                    end_epoch_.get() - start_epoch_.get() == epochs.size() - 1;
    for (std::size_t i = 0; complete && i < epochs.size(); ++i)
      complete = epochs[i].epoch.get() == start_epoch_.get() + i;
    if (!complete)
      return Error::invalid(fmt::format("{} epochs for {} to {} above {}", epochs.size(),
                                        start_epoch_.get(), end_epoch_.get(), base_.epoch.get()));
    return {};
  }

  void begin_with(ByteView prefix) {
    record_.bytes.assign(prefix.begin(), prefix.end());
    record_.prefix_bytes = prefix.size();
  }

  Result<void> end_record() {
    if (record_.epochs.empty()) return {};
    batch_.bytes += record_.versions().size();
    batch_.records.push_back(std::exchange(record_, PlainRecord()));
    return batch_.bytes < kBatchBytes ? Result<void>() : push_batch();
  }

  Result<void> push_batch() {
    if (batch_.records.empty()) return {};
    return pipeline_.push(std::exchange(batch_, RecordBatch()));
  }

  Result<void> take(StoredBatch batch) {
    ByteView rest = batch.units;
    for (native::RecordRow& row : batch.rows) {
      TRY(output_.put_unit(rest.first(row.stored_bytes)));
      rest = rest.subspan(row.stored_bytes);
      if (rows_.size() == native::kRecordsPerChunk ||
          versions_in_rows_ + row.epochs.size() > native::kVersionsPerChunk)
        TRY(flush_rows());
      versions_in_rows_ += row.epochs.size();
      rows_.push_back(std::move(row));
    }
    return {};
  }

  Result<void> flush_rows() {
    if (rows_.empty()) return {};
    TRY(output_.add_table(native::TableKind::kRecords, rows_.size(),
                          native::encode_records(rows_, start_epoch_)));
    rows_.clear();
    versions_in_rows_ = 0;
    return {};
  }

  const PageSize page_size_;
  const BaseImage base_;
  const Epoch start_epoch_;
  const Epoch end_epoch_;
  SegmentOutput output_;
  PlainRecord record_;  // being filled
  Epoch newest_of_page_;
  RecordBatch batch_;  // being filled
  std::uint64_t version_count_ = 0;
  std::vector<native::RecordRow> rows_;  // of the chunk being filled
  std::size_t versions_in_rows_ = 0;
  OrderedPipeline<RecordBatch, StoredBatch> pipeline_;  // last: its consumer uses the others
};

IncrementalWriter::IncrementalWriter(Upload& upload, PageSize page_size, BaseImage base,
                                     Epoch start_epoch, Epoch end_epoch,
                                     const SegmentWriterOptions& options)
    : impl_(std::make_unique<Impl>(upload, page_size, base, start_epoch, end_epoch, options)) {}
IncrementalWriter::IncrementalWriter(IncrementalWriter&&) noexcept = default;
IncrementalWriter& IncrementalWriter::operator=(IncrementalWriter&&) noexcept = default;
IncrementalWriter::~IncrementalWriter() = default;

Result<void> IncrementalWriter::append(PageNo page, Epoch epoch, std::uint64_t hash, ByteView bytes,
                                       ByteView prefix) {
  return impl_->append(page, epoch, hash, bytes, prefix);
}

Result<SegmentSummary> IncrementalWriter::finish(std::span<const native::EpochFacts> epochs) {
  return impl_->finish(epochs);
}

}  // namespace epochfs::engine
