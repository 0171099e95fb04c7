#include "engine/source/native_indexer.h"

#include <fmt/format.h>

#include <functional>

#include "engine/core/text.h"
#include "engine/segment/segment_reader.h"
#include "engine/source/fetched_ahead.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

// Takes one segment into an open index transaction.
class SegmentIntake {
 public:
  SegmentIntake(PageIndex::Writer& writer, const native::SegmentEntry& entry, DatabaseRow& row,
                SegmentNo number)
      : writer_(writer), row_(row), number_(number), entry_(entry) {}

  using Open = std::function<Result<TailedBlob>()>;

  Result<void> run(TailedBlob tailed, const Open& once_more) {
    const Blob& blob = tailed.blob();
    const std::uint64_t size_bytes = blob.size_bytes();
    const std::string version = blob.version();
    if (size_bytes != entry_.size_bytes)
      return Error::corrupt(
          fmt::format("has {} bytes, the manifest says {}", size_bytes, entry_.size_bytes));
    TRY_ASSIGN(const SegmentReader reader, read_tables(std::move(tailed), once_more));
    const native::Footer& footer = reader.footer();
    if (footer.kind != entry_.kind || footer.page_size != entry_.page_size ||
        footer.start_epoch != entry_.start_epoch || footer.end_epoch != entry_.end_epoch)
      return Error::corrupt("is another segment than the manifest says");
    if (entry_.end_epoch > kEpochMax) return Error::corrupt("epoch out of range");
    TRY_ASSIGN(const PageSize page_size, PageSize::from(footer.page_size));

    SegmentRow segment{entry_.kind,          entry_.filename, version,           size_bytes,
                       entry_.tables_sha256, page_size,       footer.block_size, footer.image_bytes,
                       entry_.end_epoch,     row_.base};
    TRY_ASSIGN(newest_, newest_epoch());
    if (entry_.kind == native::SegmentKind::kFull)
      TRY(take_full(reader, segment));
    else
      TRY(take_incremental(reader, segment));
    TRY(writer_.put_segment(row_.number, number_, segment));
    row_.chain_end = entry_.end_epoch;
    return {};
  }

 private:
  // What is remembered of a damaged segment is remembered for good, and an answer may have been
  // damaged on its way: so it is read twice before.
  Result<SegmentReader> read_tables(TailedBlob tailed, const Open& once_more) const {
    const std::string version = tailed.blob().version();
    auto reader = SegmentReader::open(std::move(tailed), &entry_.tables_sha256);
    if (reader || !is_damage(reader.error())) return reader;
    TRY_ASSIGN(TailedBlob other, once_more());
    if (other.blob().version() != version) return reader;
    other.blob().forget({0, other.blob().size_bytes()});
    return SegmentReader::open(std::move(other), &entry_.tables_sha256);
  }

  Result<void> take_full(const SegmentReader& reader, SegmentRow& segment) {
    segment.base = number_;
    if (entry_.end_epoch < row_.newest)
      return Error::corrupt(fmt::format("ends at epoch {}, but epochs up to {} are there already",
                                        entry_.end_epoch.get(), row_.newest.get()));
    TRY(reader.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
      if (facts.epoch != entry_.end_epoch || facts.size_bytes != segment.image_bytes)
        return Error::corrupt("holds another epoch than the manifest says");
      TRY_ASSIGN(const auto known, writer_.reader().epoch(row_.number, facts.epoch));
      if (!known) return put_epoch(facts);
      if (known->facts.state != facts.state || known->facts.size_bytes != facts.size_bytes)
        return Error::corrupt(fmt::format("says another state of epoch {} than the chain before it",
                                          facts.epoch.get()));
      return {};
    }));
    TRY(writer_.end_epochs());
    std::uint64_t pages = 0;
    TRY(reader.visit_blocks([&](std::uint64_t offset, const native::BlockRow& block) {
      pages += block.page_hashes.size();
      return writer_.put_block(row_.number, number_, offset, block);
    }));
    TRY(writer_.end_blocks(row_.number, number_));
    TRY(writer_.put_base(row_.number, entry_.end_epoch, number_, pages));
    row_.base = number_;
    row_.chain_open = true;
    return {};
  }

  Result<void> take_incremental(const SegmentReader& reader, const SegmentRow& segment) {
    if (!row_.chain_open) return Error::corrupt("no usable full lies below it");
    TRY_ASSIGN(const SegmentRow base, writer_.reader().segment(row_.number, row_.base));
    if (base.filename != entry_.base || base.end_epoch != reader.footer().base_epoch)
      return Error::corrupt(fmt::format("its full {} is not usable", printable(entry_.base)));
    if (base.image_bytes != reader.footer().image_bytes || !(base.page_size == segment.page_size))
      return Error::corrupt(fmt::format("was made for another full than {}", base.filename));
    if (entry_.start_epoch.get() != row_.chain_end.get() + 1)
      return Error::corrupt(fmt::format("begins at epoch {}, but the epochs before it end at {}",
                                        entry_.start_epoch.get(), row_.chain_end.get()));
    std::uint64_t expected = entry_.start_epoch.get();
    TRY(reader.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
      if (facts.epoch.get() != expected++) return Error::corrupt("its epochs are not consecutive");
      return put_epoch(facts);
    }));
    if (expected != entry_.end_epoch.get() + 1) return Error::corrupt("lacks epochs at its end");
    TRY(writer_.end_epochs());
    return reader.visit_records([&](std::uint64_t offset, const native::RecordRow& record) {
      return writer_.put_record(row_.number, number_, offset, record);
    });
  }

  Result<std::optional<native::EpochFacts>> newest_epoch() const {
    if (row_.epoch_count == 0) return std::optional<native::EpochFacts>();
    TRY_ASSIGN(const auto row, writer_.reader().epoch(row_.number, row_.newest));
    return row ? std::optional(row->facts) : std::nullopt;
  }

  Result<void> put_epoch(const native::EpochFacts& facts) {
    if (newest_ && (facts.epoch <= newest_->epoch || facts.committed < newest_->committed))
      return Error::corrupt(fmt::format("epoch {} runs backwards", facts.epoch.get()));
    if (row_.epoch_count == 0) row_.oldest = facts.epoch;
    row_.newest = facts.epoch;
    newest_ = facts;
    ++row_.epoch_count;
    return writer_.put_epoch(row_.number, EpochRow{facts, number_});
  }

  PageIndex::Writer& writer_;
  DatabaseRow& row_;
  SegmentNo number_;
  const native::SegmentEntry& entry_;
  std::optional<native::EpochFacts> newest_;  // before the one that comes next
};

class NativeHistory final : public History {
 public:
  NativeHistory(const Storage& storage, const native::Manifest& manifest,
                const std::string& version)
      : storage_(storage),
        manifest_(manifest),
        version_(version),
        tails_(storage.is_remote() ? kTailsAhead : 0, segment_count(),
               [this](std::uint32_t number) { return open(SegmentNo(number)); }) {}

  [[nodiscard]] const std::string& database() const noexcept override { return manifest_.database; }
  [[nodiscard]] std::uint32_t segment_count() const noexcept override {
    return static_cast<std::uint32_t>(manifest_.segments.size());
  }
  [[nodiscard]] std::uint64_t stored_bytes(SegmentNo segment) const noexcept override {
    return entry(segment).size_bytes;
  }

  [[nodiscard]] std::uint64_t fold(std::uint64_t sum, SegmentNo segment) const override {
    ByteWriter text;
    text.put_le(sum);
    text.put(as_bytes(entry(segment).filename));
    text.put(entry(segment).sha256);
    text.put(entry(segment).tables_sha256);
    text.put_le(entry(segment).size_bytes);
    text.put(as_bytes(entry(segment).problem));
    return page_hash(text.view());
  }

  Result<std::optional<Epoch>> take(PageIndex::Writer& writer, DatabaseRow& row,
                                    SegmentNo segment) const override {
    const native::SegmentEntry& taken = entry(segment);
    seen_ = {taken.filename, ""};
    auto found = tails_.get(segment.get());
    if (!found && is_bad_medium(found.error())) found = open(segment);
    if (!found && is_bad_medium(found.error()))
      return Error::corrupt("cannot be read: " + found.error().text);
    if (!found) return tl::unexpected(std::move(found).error());
    TailedBlob tailed = *std::move(found);
    seen_.version = tailed.blob().version();
    TRY(SegmentIntake(writer, taken, row, segment).run(std::move(tailed), [&] {
      return open(segment);
    }));
    const bool is_full = taken.kind == native::SegmentKind::kFull;
    return is_full ? std::optional(taken.end_epoch) : std::nullopt;
  }

  void give_up(DatabaseRow& row, SegmentNo segment, const Error& error) const override {
    const native::SegmentEntry& lost = entry(segment);
    // A full that only repeats the newest epoch of an intact chain costs nothing by itself.
    const bool is_full = lost.kind == native::SegmentKind::kFull;
    const bool repeats = is_full && row.epoch_count > 0 && lost.end_epoch == row.newest;
    const Epoch first = is_full ? lost.end_epoch : lost.start_epoch;
    const bool costs = !repeats && first <= lost.end_epoch;
    add_problem(row, {lost.problem.empty() ? lost.filename : std::string(native::kManifestFile),
                      error.text, costs ? first : Epoch(), costs ? lost.end_epoch : Epoch()});
  }

  [[nodiscard]] Result<bool> is_newest() const override {
    return version_of(std::string(native::kManifestFile)) == version_;
  }
  [[nodiscard]] std::string version_of(const std::string& object) const override {
    const auto info = storage_.stat(fmt::format("{}/{}", manifest_.database, object));
    return info ? info->version : std::string();
  }

  [[nodiscard]] std::optional<std::string> version_seen(const std::string& object) const override {
    return object == seen_.object ? std::optional(seen_.version) : std::nullopt;
  }

  // The hash of its tables tells of each segment, whenever it is opened, that it is still the same.
  Result<bool> is_current(const PageIndex::Reader& /*reader*/,
                          const DatabaseRow& /*row*/) const override {
    return true;
  }

 private:
  // So many requests are on their way at once; a tail is 256 KiB at most.
  static constexpr std::uint32_t kTailsAhead = 16;

  [[nodiscard]] Result<TailedBlob> open(SegmentNo segment) const {
    const native::SegmentEntry& wanted = entry(segment);
    if (!wanted.problem.empty()) return Error::corrupt(wanted.problem);
    return TailedBlob::open(storage_, fmt::format("{}/{}", manifest_.database, wanted.filename));
  }
  [[nodiscard]] const native::SegmentEntry& entry(SegmentNo segment) const noexcept {
    return manifest_.segments[segment.get()];
  }

  const Storage& storage_;
  const native::Manifest& manifest_;
  const std::string& version_;
  mutable FetchedAhead<TailedBlob> tails_;
  struct Seen {
    std::string object;
    std::string version;
  };
  mutable Seen seen_;  // by take()
};

}  // namespace

Result<DatabaseRow> bring_up_to_date(PageIndex& index, const Storage& storage,
                                     const native::Manifest& manifest, const std::string& version,
                                     bool again) {
  return take_in(index, NativeHistory(storage, manifest, version), again);
}

}  // namespace epochfs::engine
