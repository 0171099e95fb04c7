#include "engine/repo/native_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/core/shared_failure.h"
#include "engine/core/text.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/summary.h"
#include "engine/source/history.h"
#include "engine/source/native_indexer.h"
#include "engine/view/native_view.h"

namespace epochfs::engine {
namespace {

// Empty: it cannot be told. A storage that does not answer would not answer what is asked next.
Result<std::string> version_of(const Storage& storage, const std::string& name) {
  auto info = storage.stat(name);
  if (info) return std::move(info->version);
  if (is_out_of_reach(info.error())) return tl::unexpected(std::move(info).error());
  return std::string();
}

// By their names. A first backup begins with one full: of epoch 1, or of any for Grafeo.
std::set<std::string> epochs_of_fulls(const std::vector<ObjectInfo>& objects) {
  std::set<std::string> epochs;
  for (const ObjectInfo& object : objects)
    if (object.name.starts_with("full-"))
      epochs.insert(object.name.substr(0, object.name.find('.')));
  return epochs;
}

}  // namespace

std::string manifest_path(std::string_view database) {
  return fmt::format("{}/{}", database, native::kManifestFile);
}

std::string cursor_path(std::string_view database) {
  return fmt::format("{}/{}", database, native::kCursorFile);
}

Result<StoredManifest> load_manifest(const Storage& storage, const std::string& database) {
  const std::string path = manifest_path(database);
  TRY_ASSIGN(Storage::Content content, storage.get(path, native::kManifestBytesMax));
  const auto where = [&] { return storage.describe(path); };
  TRY(with_context(native::check_seal(content.bytes), where));
  TRY_ASSIGN(native::Manifest manifest, with_context(native::parse_manifest(content.bytes), where));
  if (manifest.database != database)
    return Error::corrupt(
        fmt::format("{}: belongs to database {}", where(), printable(manifest.database)));
  return StoredManifest{std::move(manifest), std::move(content.version), Sha256::of(content.bytes)};
}

Result<bool> lost_its_manifest(const Storage& storage, const std::string& database) {
  const auto listing = storage.list(database);
  // An object store has no directories, so none that is empty.
  if (!listing && listing.error().code == Code::kNotFound) return false;
  if (!listing) return tl::unexpected(listing.error());
  const auto& objects = listing->objects;
  if (std::ranges::find(objects, native::kManifestFile, &ObjectInfo::name) != objects.end())
    return false;
  const bool went_on = std::ranges::any_of(objects, [](const ObjectInfo& object) {
    return object.name == native::kCursorFile || object.name.starts_with("incr-");
  });
  return went_on || epochs_of_fulls(objects).size() > 1;
}

Result<StoredCursor> load_cursor(const Storage& storage, const std::string& database) {
  auto cursor = read_cursor(storage, database);
  if (cursor || is_out_of_reach(cursor.error())) return cursor;
  return StoredCursor();
}

Result<StoredCursor> read_cursor(const Storage& storage, const std::string& database) {
  auto content = storage.get(cursor_path(database), native::kCursorBytesMax);
  if (!content && is_damage(content.error())) return StoredCursor();
  if (!content) return tl::unexpected(std::move(content).error());
  StoredCursor stored{std::nullopt, std::move(content->version)};
  if (!native::check_seal(content->bytes)) return stored;
  if (const auto cursor = native::parse_cursor(content->bytes)) stored.cursor = *cursor;
  return stored;
}

NativeDatabase::NativeDatabase(NativeParts parts, std::string name)
    : parts_(std::move(parts)),
      name_(std::move(name)),
      source_(std::make_shared<const NativeSource>(parts_.storage, parts_.index, parts_.cache,
                                                   parts_.open_segments, name_)),
      taken_(look_interval(*parts_.storage),
             [this](const std::shared_ptr<const Taken>& before) { return look(before); }) {}

Result<std::shared_ptr<NativeDatabase>> NativeDatabase::open(const NativeParts& parts,
                                                             std::string name,
                                                             const StoredCursor& cursor,
                                                             StoredManifest stored) {
  std::shared_ptr<NativeDatabase> database(new NativeDatabase(parts, std::move(name)));
  TRY_ASSIGN(auto taken, database->take(cursor, std::move(stored), true));
  database->engine_ = taken->stored.manifest.engine;
  database->file_name_ = taken->stored.manifest.file_name;
  database->taken_.begin_with(std::move(taken));
  return database;
}

Result<std::shared_ptr<const NativeDatabase::Taken>> NativeDatabase::look(
    const std::shared_ptr<const Taken>& before) const {
  TRY_ASSIGN(const bool current, is_current(*before));
  if (current) return before;
  TRY_ASSIGN(const StoredCursor cursor, load_cursor(*parts_.storage, name_));
  TRY_ASSIGN(StoredManifest stored, load_manifest(*parts_.storage, name_));
  return take(cursor, std::move(stored), false);
}

Result<bool> NativeDatabase::is_current(const Taken& taken) const {
  const Storage& storage = *parts_.storage;
  TRY_ASSIGN(const std::string cursor, version_of(storage, cursor_path(name_)));
  if (cursor != taken.cursor_version) return false;
  TRY_ASSIGN(const std::string manifest, version_of(storage, manifest_path(name_)));
  if (manifest != taken.stored.version) return false;
  return is_indexed(*parts_.index, taken.timeline->row(), name_);
}

Result<std::shared_ptr<const NativeDatabase::Taken>> NativeDatabase::take(
    const StoredCursor& cursor, StoredManifest stored, bool again) const {
  const Storage& storage = *parts_.storage;
  auto taken = std::make_shared<Taken>();
  taken->stored = std::move(stored);
  bool is_newest = true;
  TRY_ASSIGN(DatabaseRow row, with_newest_manifest([&]() -> Result<DatabaseRow> {
               if (!std::exchange(is_newest, false)) {
                 TRY_ASSIGN(taken->stored, load_manifest(storage, name_));
               }
               if (taken->stored.manifest.engine == native::Engine::kGrafeo)
                 return Error::corrupt(name_ + " has become a database of Grafeo's");
               return bring_up_to_date(*parts_.index, storage, taken->stored.manifest,
                                       taken->stored.version, again);
             }));
  taken->cursor_version = cursor.version;
  taken->timeline = std::make_shared<const IndexedTimeline>(
      parts_.index, std::move(row),
      cursor.cursor ? std::optional(cursor.cursor->looked) : std::nullopt);
  return taken;
}

Result<std::shared_ptr<const Timeline>> NativeDatabase::timeline() {
  return taken_.current()->timeline;
}

Result<std::shared_ptr<const View>> NativeDatabase::view(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(const EpochContext at, source_->context(taken->timeline->row().number, epoch));
  const native::Manifest& manifest = taken->stored.manifest;
  return open_native_view(NativeViewParts{source_, parts_.cache, parts_.read_ahead, parts_.ahead,
                                          manifest.engine, manifest.file_name},
                          *taken->timeline, at);
}

Result<std::shared_ptr<const EpochImage>> NativeDatabase::image(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(EpochContext at, source_->context(taken->timeline->row().number, epoch));
  return open_native_image(source_, std::move(at), parts_.ahead);
}

Result<DatabaseSummary> NativeDatabase::summary() {
  const auto taken = taken_.current();
  const IndexedTimeline& timeline = *taken->timeline;
  TRY_ASSIGN(DatabaseSummary summary, summary_of(timeline));
  summary.name = name_;
  summary.engine = engine_;
  summary.file_name = file_name_;
  for (const native::SegmentEntry& entry : taken->stored.manifest.segments) {
    if (!entry.problem.empty()) continue;  // told already
    const bool is_full = entry.kind == native::SegmentKind::kFull;
    TRY(add_segment(
        summary, timeline, *parts_.storage,
        {entry.filename, fmt::format("{}/{}", name_, entry.filename), entry.size_bytes, is_full}));
  }
  return summary;
}

std::string NativeDatabase::last_failure() { return taken_.failure(); }

}  // namespace epochfs::engine
