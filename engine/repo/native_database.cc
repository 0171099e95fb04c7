#include "engine/repo/native_database.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"
#include "engine/formats/native/seal.h"
#include "engine/source/native_indexer.h"
#include "engine/view/native_view.h"

namespace epochfs::engine {
namespace {

constexpr std::chrono::milliseconds kLookInterval{100};

std::string version_of(const Storage& storage, const std::string& name) {
  const auto info = storage.stat(name);
  return info ? info->version : std::string();
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
  TRY_ASSIGN(const Listing listing, storage.list(database));
  const auto& objects = listing.objects;
  if (std::ranges::find(objects, native::kManifestFile, &ObjectInfo::name) != objects.end())
    return false;
  return std::ranges::any_of(objects, [](const ObjectInfo& object) {
    return object.name == native::kCursorFile || object.name.starts_with("incr-") ||
           (object.name.starts_with("full-") && !object.name.starts_with("full-1."));
  });
}

std::optional<native::Cursor> load_cursor(const Storage& storage, const std::string& database) {
  const auto content = storage.get(cursor_path(database), native::kCursorBytesMax);
  if (!content || !native::check_seal(content->bytes)) return std::nullopt;
  const auto cursor = native::parse_cursor(content->bytes);
  return cursor ? std::optional(*cursor) : std::nullopt;
}

NativeDatabase::NativeDatabase(NativeParts parts, std::string name)
    : parts_(std::move(parts)),
      name_(std::move(name)),
      source_(std::make_shared<const NativeSource>(parts_.storage, parts_.index, parts_.cache,
                                                   name_)) {}

Result<std::shared_ptr<NativeDatabase>> NativeDatabase::open(const NativeParts& parts,
                                                             std::string name) {
  std::shared_ptr<NativeDatabase> database(new NativeDatabase(parts, std::move(name)));
  TRY_ASSIGN(database->taken_, database->refresh(nullptr));
  database->looked_ = std::chrono::steady_clock::now();
  database->engine_ = database->taken_->stored.manifest.engine;
  database->file_name_ = database->taken_->stored.manifest.file_name;
  return database;
}

Result<std::shared_ptr<const NativeDatabase::Taken>> NativeDatabase::refresh(
    const std::shared_ptr<const Taken>& before) {
  const Storage& storage = *parts_.storage;
  // The cursor first: if a backup ends in between, its epochs come with the next look, never a
  // claim to cover them now.
  const std::string cursor_version = version_of(storage, cursor_path(name_));
  const bool same_manifest =
      before && version_of(storage, manifest_path(name_)) == before->stored.version;
  if (same_manifest && before->cursor_version == cursor_version) return before;

  auto taken = std::make_shared<Taken>();
  const auto cursor = load_cursor(storage, name_);
  if (same_manifest) {
    taken->stored = before->stored;
  } else {
    TRY_ASSIGN(taken->stored, load_manifest(storage, name_));
  }
  TRY_ASSIGN(DatabaseRow row,
             bring_up_to_date(*parts_.index, storage, taken->stored.manifest, before == nullptr));
  taken->cursor_version = cursor_version;
  taken->timeline = std::make_shared<const IndexedTimeline>(
      parts_.index, std::move(row), cursor ? std::optional(cursor->looked) : std::nullopt);
  return taken;
}

Result<std::shared_ptr<const NativeDatabase::Taken>> NativeDatabase::current() {
  const auto fresh_enough = [&]() -> std::shared_ptr<const Taken> {
    const std::lock_guard lock(state_mutex_);
    return std::chrono::steady_clock::now() - looked_ < kLookInterval ? taken_ : nullptr;
  };
  if (auto taken = fresh_enough()) return taken;
  const std::unique_lock looking(refresh_mutex_, std::try_to_lock);
  if (!looking) {
    const std::lock_guard lock(state_mutex_);
    return taken_;
  }
  if (auto taken = fresh_enough()) return taken;
  std::shared_ptr<const Taken> before;
  {
    const std::lock_guard lock(state_mutex_);
    before = taken_;
  }
  auto news = refresh(before);
  const std::lock_guard lock(state_mutex_);
  looked_ = std::chrono::steady_clock::now();
  failure_ = news ? std::string() : news.error().text;
  if (news) taken_ = *std::move(news);
  return taken_;
}

Result<std::shared_ptr<const Timeline>> NativeDatabase::timeline() {
  TRY_ASSIGN(const auto taken, current());
  return taken->timeline;
}

Result<std::shared_ptr<const View>> NativeDatabase::view(Epoch epoch) {
  TRY_ASSIGN(const auto taken, current());
  TRY_ASSIGN(const EpochContext at, source_->context(taken->timeline->row().number, epoch));
  return open_native_view(NativeViewParts{source_, parts_.read_ahead, engine_, file_name_},
                          *taken->timeline, at);
}

Result<std::shared_ptr<const EpochImage>> NativeDatabase::image(Epoch epoch) {
  TRY_ASSIGN(const auto taken, current());
  TRY_ASSIGN(EpochContext at, source_->context(taken->timeline->row().number, epoch));
  return open_native_image(source_, std::move(at));
}

Result<DatabaseSummary> NativeDatabase::summary() {
  TRY_ASSIGN(const auto taken, current());
  const IndexedTimeline& timeline = *taken->timeline;
  DatabaseSummary summary;
  summary.name = name_;
  summary.engine = engine_;
  summary.file_name = file_name_;
  summary.epoch_count = timeline.epoch_count();
  if (timeline.oldest()) {
    TRY_ASSIGN(summary.oldest, timeline.find(*timeline.oldest()));
    TRY_ASSIGN(summary.newest, timeline.find(*timeline.newest()));
  }
  summary.covered_until = timeline.covered_until();
  summary.stored_bytes = timeline.stored_bytes();
  for (const IndexProblem& problem : timeline.row().problems) {
    const std::string what = fmt::format("{}: {}", printable(problem.object), problem.text);
    summary.problems.push_back(problem.first_lost.get() == 0
                                   ? what
                                   : fmt::format("{} (epochs {} to {} are lost)", what,
                                                 problem.first_lost.get(),
                                                 problem.last_lost.get()));
  }
  for (const native::SegmentEntry& entry : taken->stored.manifest.segments) {
    ++(entry.kind == native::SegmentKind::kFull ? summary.fulls : summary.incrementals);
    const auto known_bad =
        std::ranges::find(timeline.row().problems, entry.filename, &IndexProblem::object);
    if (known_bad != timeline.row().problems.end()) continue;
    const auto info = parts_.storage->stat(fmt::format("{}/{}", name_, entry.filename));
    if (!info && info.error().code != Code::kNotFound) return tl::unexpected(info.error());
    if (!info || info->size_bytes != entry.size_bytes)
      summary.problems.push_back(
          fmt::format("{}: {} since it was indexed; epochs that need it cannot be read",
                      entry.filename, info ? "changed its size" : "disappeared"));
  }
  return summary;
}

std::string NativeDatabase::last_failure() {
  const std::lock_guard lock(state_mutex_);
  return failure_;
}

}  // namespace epochfs::engine
