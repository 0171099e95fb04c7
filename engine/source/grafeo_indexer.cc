#include "engine/source/grafeo_indexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/core/text.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/formats/grafeo/v2_frames.h"
#include "engine/formats/native/manifest.h"
#include "engine/source/grafeo_epochs.h"
#include "engine/source/grafeo_incremental.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

using grafeo::Generation;

Result<grafeo::ImageHeader> read_image_header(const Blob& blob) {
  Bytes start(std::min<std::uint64_t>(blob.size_bytes(), grafeo::kImageHeaderSize));
  TRY(blob.read(0, start));
  TRY_ASSIGN(grafeo::ImageHeader header, grafeo::parse_image_header(start));
  if (header.has_damaged_slot) return Error::corrupt("one of its database headers is damaged");
  if (header.payload)
    TRY(check_inside(blob.size_bytes(), header.payload->range.begin, header.payload->range.size,
                     "its data"));
  return header;
}

// Without the feature behind it, v1 images say epoch 0.
bool may_be_of(const grafeo::ImageHeader& image, Epoch epoch) {
  const bool says_nothing = image.generation() == Generation::kV1 && image.epoch.get() == 0;
  return says_nothing || image.epoch == epoch;
}

class GrafeoHistory final : public History {
 public:
  GrafeoHistory(const Storage& storage, const GrafeoPlace& place, const grafeo::Manifest& manifest,
                const std::string& version)
      : storage_(storage), place_(place), manifest_(manifest), version_(version) {}

  [[nodiscard]] const std::string& database() const noexcept override { return place_.database; }
  [[nodiscard]] std::uint32_t segment_count() const noexcept override {
    return static_cast<std::uint32_t>(manifest_.segments.size());
  }
  [[nodiscard]] std::uint64_t stored_bytes(SegmentNo segment) const noexcept override {
    return entry(segment).size_bytes;
  }

  [[nodiscard]] std::uint64_t fold(std::uint64_t sum, SegmentNo segment) const override {
    const grafeo::SegmentEntry& of = entry(segment);
    ByteWriter text;
    text.put_le(sum);
    text.put_le(static_cast<std::uint32_t>(of.kind));
    text.put(as_bytes(of.filename));
    text.put_le(of.start_epoch.get());
    text.put_le(of.end_epoch.get());
    text.put_le(of.crc32);
    text.put_le(of.size_bytes);
    text.put_le(of.created.get());
    text.put(as_bytes(of.problem));
    return page_hash(text.view());
  }

  Result<std::optional<Epoch>> take(PageIndex::Writer& writer, DatabaseRow& row,
                                    SegmentNo segment) const override {
    const grafeo::SegmentEntry& taken = entry(segment);
    if (!taken.problem.empty()) return Error::corrupt(taken.problem);
    if (taken.end_epoch > kEpochMax || taken.start_epoch > kEpochMax)
      return Error::corrupt("epoch out of range");
    TRY_ASSIGN(const std::string name, object_name(taken));
    if (!check_object_name(name)) return Error::corrupt("has a name that is no segment's");
    TRY_ASSIGN(auto blob, storage_.open(place_.object(name)));
    if (blob->size_bytes() != taken.size_bytes)
      return Error::corrupt(
          fmt::format("has {} bytes, the manifest says {}", blob->size_bytes(), taken.size_bytes));
    SegmentRow stored;
    stored.filename = name;
    stored.version = blob->version();
    stored.end_epoch = taken.end_epoch;
    stored.crc32 = taken.crc32;
    stored.base = segment;
    std::optional<Epoch> whole;
    if (taken.kind == grafeo::SegmentKind::kFull) {
      TRY_ASSIGN(whole, take_full(*blob, taken, writer, row, segment, stored));
    } else {
      if (!row.chain_open)
        return Error::corrupt(row.epoch_count == 0 ? "no usable full lies below it"
                                                   : "the chain that it continues is broken");
      TRY(take_grafeo_incremental(writer, row, segment, taken, std::move(blob)));
      stored.kind = native::SegmentKind::kIncremental;
      stored.base = row.base;
      stored.generation = row.log.generation;
    }
    TRY(writer.end_epochs());
    TRY(writer.put_segment(row.number, segment, stored));
    return whole;
  }

  void give_up(DatabaseRow& row, SegmentNo segment, const Error& error) const override {
    const grafeo::SegmentEntry& lost = entry(segment);
    const bool is_full = lost.kind == grafeo::SegmentKind::kFull;
    // A full that cannot be used breaks nothing: what follows may still go on from the chain
    // before.
    if (!is_full) row.chain_open = false;
    Epoch first = is_full ? lost.end_epoch : lost.start_epoch;
    Epoch last = lost.end_epoch;
    if (row.epoch_count > 0) first = std::max(first, Epoch(row.newest.get() + 1));
    if (first > last) first = last = Epoch();
    add_problem(row, {lost.problem.empty() ? lost.filename : std::string(place_.manifest_file()),
                      error.text, first, last});
  }

  [[nodiscard]] Result<bool> is_newest() const override {
    return version_of(std::string(place_.manifest_file())) == version_;
  }
  [[nodiscard]] std::string version_of(const std::string& object) const override {
    const auto info = storage_.stat(place_.object(object));
    return info ? info->version : std::string();
  }

  Result<bool> is_current(const PageIndex::Reader& reader, const DatabaseRow& row) const override {
    if (row.problems.size() > kProblemsMax) return false;  // they do not name all that is unusable
    std::set<std::string_view> with_problem;
    for (const IndexProblem& problem : row.problems) with_problem.insert(problem.object);
    for (std::uint32_t i = 0; i < row.segment_count; ++i) {
      // Their objects are looked at with the problems, and the index has no row for most of them.
      const grafeo::SegmentEntry& listed = entry(SegmentNo(i));
      if (!listed.problem.empty() || with_problem.contains(listed.filename)) continue;
      TRY_ASSIGN(const SegmentRow known, reader.segment(row.number, SegmentNo(i)));
      const auto now = storage_.stat(place_.object(known.filename));
      if (!now && !is_damage(now.error())) return tl::unexpected(now.error());
      if (!now || now->version != known.version) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] const grafeo::SegmentEntry& entry(SegmentNo segment) const noexcept {
    return manifest_.segments[segment.get()];
  }

  // The epoch that it adds to the history, if it does.
  static Result<std::optional<Epoch>> take_full(const Blob& blob, const grafeo::SegmentEntry& taken,
                                                PageIndex::Writer& writer, DatabaseRow& row,
                                                SegmentNo segment, SegmentRow& stored) {
    TRY_ASSIGN(const grafeo::ImageHeader image, read_image_header(blob));
    if (!may_be_of(image, taken.end_epoch))
      return Error::corrupt(fmt::format("is an image of epoch {}, the manifest says {}",
                                        image.epoch.get(), taken.end_epoch.get()));
    stored.image_bytes = blob.size_bytes();
    stored.generation = image.generation();
    row.chain_open = true;
    row.base = segment;
    row.chain_end = taken.end_epoch;
    row.log = LogChain{};
    row.log.generation = image.generation();
    row.log.image_lsn = row.log.next_lsn = image.checkpoint_lsn.value_or(grafeo::Lsn());
    row.log.database_id = image.database_id.value_or(grafeo::DatabaseId{});
    // An epoch that the chain before reached stays what it is: nothing changes under a mount.
    if (row.epoch_count > 0 && taken.end_epoch == row.newest) return std::optional<Epoch>();
    if (row.epoch_count > 0 && taken.end_epoch < row.newest) {
      add_problem(row, {taken.filename,
                        fmt::format("ends at epoch {}, but epochs up to {} are there already: "
                                    "numbers that were used before are not shown again",
                                    taken.end_epoch.get(), row.newest.get()),
                        {},
                        {}});
      return std::optional<Epoch>();
    }
    EpochRow epoch;
    epoch.facts.epoch = taken.end_epoch;
    epoch.facts.committed = epoch.facts.captured = to_utc(taken.created);
    epoch.facts.size_bytes = blob.size_bytes();
    epoch.facts.how = native::Captured::kImage;
    epoch.segment = epoch.base = segment;
    TRY_ASSIGN(UtcTime newest, newest_committed(writer.reader(), row));
    TRY(put_grafeo_epoch(writer, row, epoch, newest));
    return std::optional(taken.end_epoch);
  }

  const Storage& storage_;
  const GrafeoPlace& place_;
  const grafeo::Manifest& manifest_;
  const std::string& version_;
};

}  // namespace

std::string_view GrafeoPlace::manifest_file() const noexcept {
  return is_packed ? native::kManifestFile : grafeo::kManifestFile;
}

std::string GrafeoPlace::object(std::string_view filename) const {
  return directory.empty() ? std::string(filename) : fmt::format("{}/{}", directory, filename);
}

Result<DatabaseRow> take_in_grafeo(PageIndex& index, const Storage& storage,
                                   const GrafeoPlace& place, const grafeo::Manifest& manifest,
                                   const std::string& version, bool again) {
  return take_in(index, GrafeoHistory(storage, place, manifest, version), again);
}

std::uint64_t log_file_bytes(Generation generation, std::uint64_t log_bytes) noexcept {
  const bool has_barrier = generation == Generation::kV2 && log_bytes > 0;
  return log_bytes + (has_barrier ? grafeo::kV2BarrierSize : 0);
}

}  // namespace epochfs::engine
