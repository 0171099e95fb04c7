#include "engine/repo/grafeo_database.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/repo/summary.h"
#include "engine/source/history.h"
#include "engine/view/grafeo_logged.h"
#include "engine/view/grafeo_view.h"

namespace epochfs::engine {
namespace {

// The image is called after the database, and names that are made of its name must fit, too.
std::string image_name(const std::string& database) {
  constexpr std::size_t kNameBytesMax = 200;
  return (database.size() <= kNameBytesMax ? database : "database") + ".grafeo";
}

// Everything up to the newest segment that could be used is there.
std::optional<UtcTime> covered_until(const DatabaseRow& row, const grafeo::Manifest& manifest) {
  if (manifest.segments.empty() || !row.chain_open) return std::nullopt;
  return to_utc(manifest.segments.back().created);
}

}  // namespace

Result<StoredGrafeoManifest> load_grafeo_manifest(const Storage& storage,
                                                  const GrafeoPlace& place) {
  const std::string object = place.object(grafeo::kManifestFile);
  TRY_ASSIGN(Storage::Content content, storage.get(object, grafeo::kManifestBytesMax));
  TRY_ASSIGN(grafeo::Manifest manifest, with_context(grafeo::parse_manifest(content.bytes),
                                                     [&] { return storage.describe(object); }));
  return StoredGrafeoManifest{std::move(manifest), std::move(content.version)};
}

Result<std::vector<GrafeoPlace>> find_grafeo_places(const Storage& storage,
                                                    const std::string& root_name) {
  if (storage.stat(grafeo::kManifestFile)) return std::vector<GrafeoPlace>{{"", root_name}};
  TRY_ASSIGN(Listing listing, storage.list(""));
  std::vector<GrafeoPlace> places;
  for (std::string& directory : listing.directories) {
    GrafeoPlace place{directory, directory};
    if (storage.stat(place.object(grafeo::kManifestFile))) places.push_back(std::move(place));
  }
  return places;
}

Result<std::optional<std::string>> gap_before(const Timeline& timeline,
                                              const grafeo::SegmentEntry& full) {
  if (full.kind != grafeo::SegmentKind::kFull) return std::optional<std::string>();
  TRY_ASSIGN(const auto facts, timeline.find(full.end_epoch));
  TRY_ASSIGN(const auto before, timeline.newest_below(full.end_epoch));
  const bool came_with_it = facts && facts->how == native::Captured::kImage;
  if (!came_with_it || !before || before->epoch.get() + 1 == full.end_epoch.get())
    return std::optional<std::string>();
  return std::optional(fmt::format(
      "epochs {} to {} are in no backup of their own: {} was made at {}", before->epoch.get() + 1,
      full.end_epoch.get() - 1, printable(full.filename), full.end_epoch.get()));
}

GrafeoDatabase::GrafeoDatabase(GrafeoParts parts, GrafeoPlace place)
    : parts_(std::move(parts)),
      file_name_(image_name(place.database)),
      source_(std::make_shared<const GrafeoSource>(parts_.storage, parts_.index, std::move(place))),
      taken_([this](const std::shared_ptr<const Taken>& before) { return look(before); }) {}

Result<std::shared_ptr<GrafeoDatabase>> GrafeoDatabase::open(const GrafeoParts& parts,
                                                             GrafeoPlace place) {
  std::shared_ptr<GrafeoDatabase> database(new GrafeoDatabase(parts, std::move(place)));
  TRY(database->taken_.first());
  return database;
}

Result<std::shared_ptr<const GrafeoDatabase::Taken>> GrafeoDatabase::look(
    const std::shared_ptr<const Taken>& before) const {
  const Storage& storage = *parts_.storage;
  const GrafeoPlace& place = source_->place();
  const auto info = storage.stat(place.object(grafeo::kManifestFile));
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
    // What is no name of a file is a problem already.
    const std::string filename = object_name(entry).value_or(std::string(grafeo::kManifestFile));
    TRY(add_segment(summary, timeline, *parts_.storage,
                    {entry.filename, source_->place().object(filename), entry.size_bytes,
                     entry.kind == grafeo::SegmentKind::kFull}));
    TRY_ASSIGN(const auto gap, gap_before(timeline, entry));
    if (gap) summary.notes.push_back(*gap);
  }
  return summary;
}

}  // namespace epochfs::engine
