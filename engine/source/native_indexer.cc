#include "engine/source/native_indexer.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/segment/segment_reader.h"

namespace epochfs::engine {
namespace {

// Epochs are counted up from 1; no honest history comes near, and E + 1 must not wrap.
constexpr std::uint64_t kEpochMax = std::uint64_t{1} << 62U;

// Folds one manifest entry into the sum that tells whether an index was built from the same
// history.
std::uint64_t fold(std::uint64_t sum, const native::SegmentEntry& entry) {
  ByteWriter text;
  text.put_le(sum);
  text.put(as_bytes(entry.filename));
  text.put(entry.sha256);
  text.put(entry.tables_sha256);
  text.put_le(entry.size_bytes);
  return page_hash(text.view());
}

bool continues(const DatabaseRow& row, const native::Manifest& manifest) {
  if (row.segment_count > manifest.segments.size()) return false;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < row.segment_count; ++i) sum = fold(sum, manifest.segments[i]);
  return sum == row.segments_hash;
}

bool is_damage(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
         error.code == Code::kNotFound;
}

// Takes one segment into an open index transaction.
class SegmentIntake {
 public:
  SegmentIntake(PageIndex::Writer& writer, const Storage& storage, const native::Manifest& manifest,
                DatabaseRow& row, SegmentNo number)
      : writer_(writer),
        storage_(storage),
        manifest_(manifest),
        row_(row),
        number_(number),
        entry_(manifest.segments[number.get()]) {}

  Result<void> run() {
    TRY_ASSIGN(const auto blob,
               storage_.open(fmt::format("{}/{}", manifest_.database, entry_.filename)));
    if (blob->size_bytes() != entry_.size_bytes)
      return Error::corrupt(
          fmt::format("has {} bytes, the manifest says {}", blob->size_bytes(), entry_.size_bytes));
    TRY_ASSIGN(const SegmentReader reader, SegmentReader::open(blob, &entry_.tables_sha256));
    const native::Footer& footer = reader.footer();
    if (footer.kind != entry_.kind || footer.page_size != entry_.page_size ||
        footer.start_epoch != entry_.start_epoch || footer.end_epoch != entry_.end_epoch)
      return Error::corrupt("is another segment than the manifest says");
    if (entry_.end_epoch.get() > kEpochMax) return Error::corrupt("epoch out of range");
    TRY_ASSIGN(const PageSize page_size, PageSize::from(footer.page_size));

    SegmentRow segment{entry_.kind,          entry_.filename,  blob->version(),
                       entry_.tables_sha256, page_size,        footer.block_size,
                       footer.image_bytes,   entry_.end_epoch, row_.base};
    if (entry_.kind == native::SegmentKind::kFull)
      TRY(take_full(reader, segment));
    else
      TRY(take_incremental(reader, segment));
    TRY(writer_.put_segment(row_.number, number_, segment));
    row_.chain_end = entry_.end_epoch;
    return {};
  }

 private:
  Result<void> take_full(const SegmentReader& reader, SegmentRow& segment) {
    segment.base = number_;
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
    TRY(reader.visit_blocks([&](std::uint64_t offset, const native::BlockRow& block) {
      return writer_.put_block(row_.number, number_, offset, block);
    }));
    TRY(writer_.end_blocks(row_.number, number_));
    TRY(writer_.put_base(row_.number, entry_.end_epoch, number_));
    row_.base = number_;
    row_.chain_open = true;
    spare_newest();
    return {};
  }

  // An epoch that a damaged incremental ended with is not lost when this full holds it.
  void spare_newest() {
    for (IndexProblem& problem : row_.problems) {
      if (problem.last_lost != entry_.end_epoch) continue;
      if (problem.first_lost == problem.last_lost)
        problem.first_lost = problem.last_lost = Epoch();
      else
        problem.last_lost = Epoch(problem.last_lost.get() - 1);
    }
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
    return reader.visit_records([&](std::uint64_t offset, const native::RecordRow& record) {
      return writer_.put_record(row_.number, number_, offset, record);
    });
  }

  Result<void> put_epoch(const native::EpochFacts& facts) {
    if (row_.epoch_count > 0) {
      TRY_ASSIGN(const auto before, writer_.reader().epoch(row_.number, row_.newest));
      if (facts.epoch <= row_.newest || (before && facts.committed < before->facts.committed))
        return Error::corrupt(fmt::format("epoch {} runs backwards", facts.epoch.get()));
    } else {
      row_.oldest = facts.epoch;
    }
    row_.newest = facts.epoch;
    ++row_.epoch_count;
    return writer_.put_epoch(row_.number, EpochRow{facts, number_});
  }

  PageIndex::Writer& writer_;
  const Storage& storage_;
  const native::Manifest& manifest_;
  DatabaseRow& row_;
  SegmentNo number_;
  const native::SegmentEntry& entry_;
};

void remember(DatabaseRow& row, const native::SegmentEntry& entry, const Error& error) {
  if (row.problems.size() > kProblemsMax) return;
  if (row.problems.size() == kProblemsMax) {
    row.problems.push_back({"", "more segments are damaged; run verify to see them all", {}, {}});
    return;
  }
  // A full that only repeats the newest epoch of an intact chain costs nothing by itself.
  const bool is_full = entry.kind == native::SegmentKind::kFull;
  const bool repeats = is_full && row.epoch_count > 0 && entry.end_epoch == row.newest;
  const Epoch first = is_full ? entry.end_epoch : entry.start_epoch;
  row.problems.push_back(
      {entry.filename, error.text, repeats ? Epoch() : first, repeats ? Epoch() : entry.end_epoch});
}

// Takes in the next segment, or finds nothing to do. False: the index is up to date.
Result<bool> step(PageIndex& index, const Storage& storage, const native::Manifest& manifest,
                  bool& again, DatabaseRow& result) {
  const std::string& name = manifest.database;
  const auto begin = [&](PageIndex::Writer& writer) -> Result<DatabaseRow> {
    TRY_ASSIGN(const auto known, writer.reader().database(name));
    if (known && continues(*known, manifest) && !(again && !known->problems.empty())) return *known;
    DatabaseRow fresh;
    TRY_ASSIGN(fresh.number, writer.begin_database(name));
    return fresh;
  };

  TRY_ASSIGN(PageIndex::Writer writer, index.write());
  TRY_ASSIGN(DatabaseRow row, begin(writer));
  if (row.segment_count < manifest.segments.size()) {
    const native::SegmentEntry& entry = manifest.segments[row.segment_count];
    const SegmentNo number(row.segment_count);
    const DatabaseRow before = row;
    auto taken = SegmentIntake(writer, storage, manifest, row, number).run();
    if (!taken) {
      if (!is_damage(taken.error())) return tl::unexpected(std::move(taken).error());
      // Nothing of a damaged segment stays: this transaction is dropped and the problem goes into
      // another.
      { const PageIndex::Writer dropped = std::move(writer); }
      TRY_ASSIGN(writer, index.write());
      TRY_ASSIGN(row, begin(writer));
      if (row.segment_count != before.segment_count) return true;  // another process was faster
      remember(row, entry, taken.error());
    }
    row.segments_hash = fold(row.segments_hash, entry);
    row.segment_count += 1;
    row.stored_bytes += entry.size_bytes;
  }
  const bool more = row.segment_count < manifest.segments.size();
  TRY(writer.put_database(name, row));
  TRY(std::move(writer).commit());
  again = false;
  result = std::move(row);
  return more;
}

}  // namespace

Result<DatabaseRow> bring_up_to_date(PageIndex& index, const Storage& storage,
                                     const native::Manifest& manifest, bool again) {
  {
    TRY_ASSIGN(const PageIndex::Reader reader, index.read());
    TRY_ASSIGN(auto known, reader.database(manifest.database));
    if (known && known->segment_count == manifest.segments.size() && continues(*known, manifest) &&
        !(again && !known->problems.empty()))
      return *std::move(known);
  }
  DatabaseRow row;
  while (true) {
    TRY_ASSIGN(const bool more, step(index, storage, manifest, again, row));
    if (!more) return row;
  }
}

}  // namespace epochfs::engine
