#include "engine/repo/grafeo_database.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"
#include "engine/repo/looked_at.h"
#include "engine/repo/native_database.h"
#include "engine/repo/summary.h"
#include "engine/repo/unpacked_storage.h"
#include "engine/source/history.h"
#include "engine/storage/has_object.h"
#include "engine/view/grafeo_logged.h"
#include "engine/view/grafeo_view.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kNameBytesMax = 200;  // names that are made of a name must fit, too

// A link or a FIFO in its place is no manifest. What cannot be looked at may be one.
Result<bool> has_manifest(const Storage& storage, const GrafeoPlace& place) {
  auto is_there = has_object(storage, place.object(grafeo::kManifestFile));
  if (!is_there && is_damage(is_there.error())) return false;
  return is_there;
}

// Everything up to the newest segment that could be used is there.
std::optional<UtcTime> covered_until(const DatabaseRow& row, const grafeo::Manifest& manifest) {
  const auto makes_sense = [](const grafeo::SegmentEntry& entry) { return entry.problem.empty(); };
  const auto last = std::find_if(manifest.segments.rbegin(), manifest.segments.rend(), makes_sense);
  if (last == manifest.segments.rend() || !row.chain_open) return std::nullopt;
  return to_utc(last->created);
}

Result<StoredGrafeoManifest> load_packed_manifest(const Storage& storage,
                                                  const std::string& database) {
  TRY_ASSIGN(StoredManifest stored, load_manifest(storage, database));
  if (stored.manifest.engine != native::Engine::kGrafeo)
    return Error::corrupt(storage.describe(database) + " holds no database of Grafeo's any more");
  StoredGrafeoManifest result;
  result.version = std::move(stored.version);
  result.file_name = std::move(stored.manifest.file_name);
  if (result.file_name.size() > kNameBytesMax) result.file_name = grafeo_image_name(database);
  result.manifest = unpacked_manifest(stored.manifest);
  for (const native::SegmentEntry& entry : stored.manifest.segments)
    result.stored_bytes += entry.size_bytes;
  return result;
}

}  // namespace

grafeo::Manifest unpacked_manifest(const native::Manifest& manifest) {
  grafeo::Manifest unpacked;
  unpacked.generation = manifest.generation;
  for (const native::SegmentEntry& entry : manifest.segments) {
    const bool is_full = entry.kind == native::SegmentKind::kFull;
    unpacked.segments.push_back(
        {is_full ? grafeo::SegmentKind::kFull : grafeo::SegmentKind::kIncremental, entry.filename,
         entry.start_epoch, entry.end_epoch, entry.unpacked_checksum, entry.unpacked_bytes,
         grafeo::UnixMillis(entry.created_at_ms), entry.problem});
  }
  return unpacked;
}

GrafeoParts packed_grafeo_parts(const NativeParts& parts, const std::string& database) {
  const auto storage =
      std::make_shared<UnpackedStorage>(parts.storage, parts.cache, parts.open_segments, database);
  return GrafeoParts{storage, parts.index, storage->bytes_read()};
}

GrafeoPlace packed_grafeo_place(const std::string& database) {
  return GrafeoPlace{database, database, true};
}

std::string grafeo_image_name(const std::string& database) {
  return (database.size() <= kNameBytesMax ? database : "database") + ".grafeo";
}

Result<StoredGrafeoManifest> load_grafeo_manifest(const Storage& storage,
                                                  const GrafeoPlace& place) {
  if (place.is_packed) return load_packed_manifest(storage, place.database);
  const std::string object = place.object(grafeo::kManifestFile);
  TRY_ASSIGN(Storage::Content content, storage.get(object, grafeo::kManifestBytesMax));
  TRY_ASSIGN(grafeo::Manifest manifest, with_context(grafeo::parse_manifest(content.bytes),
                                                     [&] { return storage.describe(object); }));
  StoredGrafeoManifest stored{std::move(manifest), std::move(content.version),
                              grafeo_image_name(place.database), 0};
  for (const grafeo::SegmentEntry& entry : stored.manifest.segments)
    stored.stored_bytes += entry.size_bytes;
  return stored;
}

Result<std::vector<GrafeoPlace>> find_grafeo_places(const Storage& storage,
                                                    const std::string& root_name) {
  const GrafeoPlace root{"", root_name};
  TRY_ASSIGN(const bool is_root, has_manifest(storage, root));
  if (is_root) return std::vector<GrafeoPlace>{root};
  TRY_ASSIGN(const Listing listing, storage.list(""));
  using Found = std::optional<GrafeoPlace>;
  return look_at_each<GrafeoPlace>(storage, listing.directories,
                                   [&](const std::string& directory) -> Result<Found> {
                                     GrafeoPlace place{directory, directory};
                                     TRY_ASSIGN(const bool is_one, has_manifest(storage, place));
                                     return is_one ? Found(std::move(place)) : Found();
                                   });
}

Result<std::optional<std::string>> gap_before(const Timeline& timeline,
                                              const grafeo::SegmentEntry& full) {
  if (full.kind != grafeo::SegmentKind::kFull || !full.problem.empty())
    return std::optional<std::string>();
  TRY_ASSIGN(const auto facts, timeline.find(full.end_epoch));
  TRY_ASSIGN(const auto before, timeline.newest_below(full.end_epoch));
  const bool came_with_it = facts && facts->how == native::Captured::kImage;
  if (!came_with_it || !before || before->epoch.get() + 1 == full.end_epoch.get())
    return std::optional<std::string>();
  const std::uint64_t first = before->epoch.get() + 1;
  const std::uint64_t last = full.end_epoch.get() - 1;
  return std::optional(fmt::format("{} {} in no backup of {} own: {} was made at {}",
                                   range_text("epoch", first, last), first == last ? "is" : "are",
                                   first == last ? "its" : "their", printable(full.filename),
                                   full.end_epoch.get()));
}

GrafeoDatabase::GrafeoDatabase(GrafeoParts parts, GrafeoPlace place)
    : parts_(std::move(parts)),
      source_(std::make_shared<const GrafeoSource>(parts_.storage, parts_.index, std::move(place))),
      taken_(look_interval(*parts_.storage),
             [this](const std::shared_ptr<const Taken>& before) { return look(before); }) {}

Result<std::shared_ptr<GrafeoDatabase>> GrafeoDatabase::open(const GrafeoParts& parts,
                                                             GrafeoPlace place) {
  std::shared_ptr<GrafeoDatabase> database(new GrafeoDatabase(parts, std::move(place)));
  TRY_ASSIGN(const auto taken, database->taken_.first());
  database->file_name_ = taken->stored.file_name;
  return database;
}

Result<std::shared_ptr<const GrafeoDatabase::Taken>> GrafeoDatabase::look(
    const std::shared_ptr<const Taken>& before) const {
  const Storage& storage = *parts_.storage;
  const GrafeoPlace& place = source_->place();
  const auto info = storage.stat(place.object(place.manifest_file()));
  if (before && info && info->version == before->stored.version) {
    TRY_ASSIGN(const bool indexed,
               is_indexed(*parts_.index, before->timeline->row(), place.database));
    if (indexed) return before;
  }
  auto taken = std::make_shared<Taken>();
  TRY_ASSIGN(DatabaseRow row, with_newest_manifest([&]() -> Result<DatabaseRow> {
               TRY_ASSIGN(taken->stored, load_grafeo_manifest(storage, place));
               return take_in_grafeo(*parts_.index, storage, place, taken->stored.manifest,
                                     taken->stored.version, before == nullptr);
             }));
  row.stored_bytes = taken->stored.stored_bytes;
  const auto covered = covered_until(row, taken->stored.manifest);
  taken->timeline = std::make_shared<const IndexedTimeline>(parts_.index, std::move(row), covered);
  return taken;
}

Result<std::shared_ptr<const Timeline>> GrafeoDatabase::timeline() {
  return taken_.current()->timeline;
}

Result<std::shared_ptr<const View>> GrafeoDatabase::view(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(GrafeoEpoch at, source_->context(taken->timeline->row().number, epoch));
  return open_grafeo_view(source_, file_name_, *taken->timeline, std::move(at));
}

Result<std::shared_ptr<const EpochImage>> GrafeoDatabase::image(Epoch epoch) {
  return Error::unsupported(
      fmt::format("epoch {} of {} is no image of pages", epoch.get(), name()));
}

Result<std::shared_ptr<const LoggedEpoch>> GrafeoDatabase::logged(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(GrafeoEpoch at, source_->context(taken->timeline->row().number, epoch));
  return open_grafeo_logged(source_, std::move(at));
}

Result<DatabaseSummary> GrafeoDatabase::summary() {
  const auto taken = taken_.current();
  const IndexedTimeline& timeline = *taken->timeline;
  TRY_ASSIGN(DatabaseSummary summary, summary_of(timeline));
  summary.name = name();
  summary.engine = engine();
  summary.file_name = file_name_;
  for (const grafeo::SegmentEntry& entry : taken->stored.manifest.segments) {
    if (!entry.problem.empty()) continue;  // told already
    // What is no name of a file is a problem already.
    const std::string filename =
        object_name(entry).value_or(std::string(source_->place().manifest_file()));
    TRY(add_segment(summary, timeline, *parts_.storage,
                    {entry.filename, source_->place().object(filename), entry.size_bytes,
                     entry.kind == grafeo::SegmentKind::kFull}));
    TRY_ASSIGN(const auto gap, gap_before(timeline, entry));
    if (gap) summary.notes.push_back(*gap);
  }
  return summary;
}

}  // namespace epochfs::engine
