#include "engine/repo/grafeo_directory_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/hash.h"
#include "engine/formats/native/manifest.h"
#include "engine/storage/has_object.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {

using grafeo::SegmentKind;

Result<std::unique_ptr<GrafeoDirectoryWriter>> GrafeoDirectoryWriter::open(
    const std::string& directory, Lock lock) {
  TRY_ASSIGN(auto storage, open_storage(directory));
  return open(std::move(storage), lock);
}

Result<std::unique_ptr<GrafeoDirectoryWriter>> GrafeoDirectoryWriter::open(
    std::shared_ptr<Storage> storage, Lock lock) {
  std::unique_ptr<GrafeoDirectoryWriter> writer(new GrafeoDirectoryWriter());
  writer->storage_ = std::move(storage);
  TRY_ASSIGN(const bool is_ours, has_object(*writer->storage_, native::kRepositoryFile));
  if (is_ours)
    return Error::invalid(writer->location() +
                          " is a repository of epochfs, not a backup directory of Grafeo; "
                          "choose another one, or leave --format out");
  if (lock != Lock::kNone) {
    TRY_ASSIGN(writer->lock_, writer->storage_->lock_writer("", lock == Lock::kWaitFor));
  }
  TRY(writer->load());
  return writer;
}

Result<void> GrafeoDirectoryWriter::load() {
  grafeo::Manifest manifest;
  auto stored = storage_->get(grafeo::kManifestFile, grafeo::kManifestBytesMax);
  if (!stored && stored.error().code != Code::kNotFound)
    return tl::unexpected(std::move(stored).error());
  if (stored) {
    TRY_ASSIGN(manifest, with_context(grafeo::parse_manifest(stored->bytes),
                                      [&] { return storage_->describe(grafeo::kManifestFile); }));
    version_ = std::move(stored->version);
  }
  return set_history(storage_, GrafeoPlace{}, std::move(manifest));
}

// The number of segments, unless somebody took entries out of the manifest and it is in use.
std::string GrafeoDirectoryWriter::next_name(std::string_view prefix,
                                             std::string_view suffix) const {
  const auto& segments = manifest().segments;
  for (std::size_t number = segments.size();; ++number) {
    std::string name = fmt::format("{}{:04}{}", prefix, number, suffix);
    if (std::ranges::find(segments, name, &grafeo::SegmentEntry::filename) == segments.end())
      return name;
  }
}

Result<void> GrafeoDirectoryWriter::begin_file(grafeo::SegmentEntry& entry) {
  upload_.reset();
  entry.filename = entry.kind == SegmentKind::kFull ? next_name("backup_full_", ".grafeo")
                                                    : next_name("backup_incr_", ".wal");
  // What another writer is about to name in the manifest, or has named by now, must not be taken
  // from him: where he may be at work, every segment has a name of its own.
  if (!storage_->has_locks())
    entry.filename.insert(entry.filename.rfind('.'), '.' + random_identity().substr(0, 8));
  // Not in the manifest, so it is what a writer left who died between segment and manifest.
  if (storage_->has_locks()) TRY(storage_->remove(entry.filename));
  TRY_ASSIGN(upload_, storage_->create(entry.filename));
  return {};
}

Result<std::uint64_t> GrafeoDirectoryWriter::publish(const grafeo::Manifest& next) {
  TRY(upload_->finish());
  TRY_ASSIGN(const Bytes document, grafeo::encode_manifest(next));
  // What no reader would take must never replace what every reader takes.
  TRY(with_context(grafeo::parse_manifest(document).and_then(grafeo::check_entries),
                   [] { return std::string("the new manifest"); }));
  TRY(storage_->replace(grafeo::kManifestFile, document, version_));
  TRY_ASSIGN(Storage::Content stored,
             storage_->get(grafeo::kManifestFile, grafeo::kManifestBytesMax));
  // Without locks another writer may have built on it by now; then the next commit fails.
  if (stored.bytes == document) version_ = std::move(stored.version);
  return next.segments.back().size_bytes;
}

}  // namespace epochfs::engine
