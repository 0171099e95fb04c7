#include "engine/repo/unpacked_storage.h"

#include <fmt/format.h>

#include "engine/repo/native_database.h"

namespace epochfs::engine {
namespace {

Failure read_only() { return Error::invalid("unpacked segments can only be read"); }

}  // namespace

UnpackedStorage::UnpackedStorage(std::shared_ptr<const Storage> storage,
                                 std::shared_ptr<BlockCache> cache,
                                 std::shared_ptr<OpenSegments> open_segments, std::string database)
    : storage_(std::move(storage)),
      cache_(std::move(cache)),
      open_segments_(std::move(open_segments)),
      database_(std::move(database)),
      bytes_read_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Result<std::shared_ptr<const Blob>> UnpackedStorage::open(std::string_view name) const {
  if (name == manifest_path(database_)) {
    // Whoever reads the manifest asks for its segments next, and not for those of one before.
    const std::lock_guard lock(mutex_);
    entries_.reset();
  }
  return open_segments_->with_descriptors([&]() -> Result<std::shared_ptr<const Blob>> {
    TRY_ASSIGN(const auto entry, segment(name));
    return entry ? open_segment(name, *entry) : storage_->open(name);
  });
}

Result<std::shared_ptr<const Blob>> UnpackedStorage::open_segment(
    std::string_view name, const native::SegmentEntry& entry) const {
  TRY_ASSIGN(const ObjectInfo info, stat_segment(name, entry));
  return open_segments_->get(key_of(name, info.version), [&] { return unpack(name, entry); });
}

Result<std::shared_ptr<const Blob>> UnpackedStorage::unpack(
    std::string_view name, const native::SegmentEntry& entry) const {
  TRY_ASSIGN(auto packed, storage_->open(name));
  TRY_ASSIGN(
      const auto blob,
      with_context(UnpackedBlob::open(std::move(packed), entry.tables_sha256, cache_, bytes_read_),
                   [&] { return describe(name); }));
  const native::Footer& footer = blob->footer();
  if (footer.kind != entry.kind || footer.start_epoch != entry.start_epoch ||
      footer.end_epoch != entry.end_epoch || footer.page_size != entry.page_size ||
      footer.image_bytes != entry.unpacked_bytes)
    return Error::corrupt(describe(name) + " is another segment than the manifest says");
  return blob;
}

Result<ObjectInfo> UnpackedStorage::stat(std::string_view name) const {
  TRY_ASSIGN(const auto entry, segment(name));
  return entry ? stat_segment(name, *entry) : storage_->stat(name);
}

Result<ObjectInfo> UnpackedStorage::stat_segment(std::string_view name,
                                                 const native::SegmentEntry& entry) const {
  TRY_ASSIGN(ObjectInfo info, storage_->stat(name));
  if (info.size_bytes != entry.size_bytes)
    return Error::corrupt(fmt::format("{} has {} bytes, the manifest says {}", describe(name),
                                      info.size_bytes, entry.size_bytes));
  info.size_bytes = entry.unpacked_bytes;
  return info;
}

Result<std::optional<native::SegmentEntry>> UnpackedStorage::segment(std::string_view name) const {
  if (directory_of(name) != database_ || leaf_of(name) == native::kManifestFile)
    return std::optional<native::SegmentEntry>();
  for (const bool as_of_now : {false, true}) {
    TRY_ASSIGN(const auto known, entries(as_of_now));
    if (const auto found = known->find(name); found != known->end())
      return std::optional(found->second);
  }
  return std::optional<native::SegmentEntry>();
}

Result<std::shared_ptr<const UnpackedStorage::Entries>> UnpackedStorage::entries(
    bool as_of_now) const {
  if (!as_of_now) {
    const std::lock_guard lock(mutex_);
    if (entries_) return entries_;
  }
  TRY_ASSIGN(const StoredManifest stored, load_manifest(*storage_, database_));
  auto entries = std::make_shared<Entries>();
  for (const native::SegmentEntry& entry : stored.manifest.segments)
    if (entry.problem.empty())
      entries->emplace(fmt::format("{}/{}", database_, entry.filename), entry);
  const std::lock_guard lock(mutex_);
  entries_ = entries;
  return entries;
}

std::uint64_t UnpackedStorage::key_of(std::string_view name, const std::string& version) const {
  const std::lock_guard lock(mutex_);
  auto found = keys_.find(name);
  if (found == keys_.end()) found = keys_.emplace(name, Key()).first;
  Key& known = found->second;
  if (known.key == 0 || known.version != version) known = {version, unused_key()};
  return known.key;
}

Result<std::unique_ptr<Upload>> UnpackedStorage::create(std::string_view) { return read_only(); }
Result<void> UnpackedStorage::replace(std::string_view, ByteView,
                                      const std::optional<std::string>&) {
  return read_only();
}
Result<void> UnpackedStorage::remove(std::string_view) { return read_only(); }
Result<std::unique_ptr<WriterLock>> UnpackedStorage::lock_writer(std::string_view, bool) {
  return read_only();
}

}  // namespace epochfs::engine
