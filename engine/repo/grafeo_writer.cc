#include "engine/repo/grafeo_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/time.h"
#include "engine/formats/native/manifest.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {

using grafeo::SegmentKind;

Result<GrafeoWriter> GrafeoWriter::open(const std::string& directory, Lock lock) {
  GrafeoWriter writer;
  TRY_ASSIGN(writer.storage_, open_storage(directory));
  if (writer.storage_->stat(native::kRepositoryFile))
    return Error::invalid(directory +
                          " is a repository of epochfs, not a backup directory of Grafeo; "
                          "choose another one, or leave --format out");
  if (lock != Lock::kNone) {
    TRY_ASSIGN(writer.lock_, writer.storage_->lock_writer("", lock == Lock::kWaitFor));
  }
  TRY(writer.load_manifest());
  return writer;
}

Result<void> GrafeoWriter::load_manifest() {
  auto stored = storage_->get(grafeo::kManifestFile, grafeo::kManifestBytesMax);
  if (!stored && stored.error().code == Code::kNotFound) return {};
  if (!stored) return tl::unexpected(std::move(stored).error());
  TRY_ASSIGN(manifest_, with_context(grafeo::parse_manifest(stored->bytes),
                                     [&] { return storage_->describe(grafeo::kManifestFile); }));
  version_ = std::move(stored->version);
  return {};
}

std::optional<Epoch> GrafeoWriter::last_epoch() const noexcept {
  std::optional<Epoch> last;
  for (const grafeo::SegmentEntry& entry : manifest_.segments)
    last = std::max(last.value_or(entry.end_epoch), entry.end_epoch);
  return last;
}

std::span<const grafeo::SegmentEntry> GrafeoWriter::chain() const noexcept {
  const auto is_full = [](const grafeo::SegmentEntry& entry) {
    return entry.kind == SegmentKind::kFull;
  };
  const std::span<const grafeo::SegmentEntry> segments(manifest_.segments);
  const auto base = std::ranges::find_if(segments.rbegin(), segments.rend(), is_full);
  if (base == segments.rend()) return {};
  return segments.last(static_cast<std::size_t>(base - segments.rbegin()) + 1);
}

Result<void> GrafeoWriter::check_chain() const {
  for (const grafeo::SegmentEntry& entry : chain()) {
    TRY_ASSIGN(const std::string name, grafeo::object_name(entry));
    TRY_ASSIGN(const ObjectInfo info, storage_->stat(name));
    if (info.size_bytes != entry.size_bytes)
      return Error::corrupt(fmt::format("{}: {} bytes where the manifest says {}",
                                        storage_->describe(name), info.size_bytes,
                                        entry.size_bytes));
  }
  return {};
}

Result<void> GrafeoWriter::OpenSegment::append(ByteView bytes) {
  crc_.update(bytes);
  entry_.size_bytes += bytes.size();
  return upload_->append(bytes);
}

// The number of segments, unless somebody took entries out of the manifest and it is in use.
std::string GrafeoWriter::next_name(std::string_view prefix, std::string_view suffix) const {
  const auto& segments = manifest_.segments;
  for (std::size_t number = segments.size();; ++number) {
    std::string name = fmt::format("{}{:04}{}", prefix, number, suffix);
    if (std::ranges::find(segments, name, &grafeo::SegmentEntry::filename) == segments.end())
      return name;
  }
}

Result<GrafeoWriter::OpenSegment> GrafeoWriter::begin(grafeo::SegmentEntry entry) {
  // Not in the manifest, so it is what a writer left who died between segment and manifest.
  TRY(storage_->remove(entry.filename));
  OpenSegment segment;
  TRY_ASSIGN(segment.upload_, storage_->create(entry.filename));
  segment.entry_ = std::move(entry);
  return segment;
}

Result<GrafeoWriter::OpenSegment> GrafeoWriter::begin_full(Epoch end) {
  grafeo::SegmentEntry entry;
  entry.kind = SegmentKind::kFull;
  entry.filename = next_name("backup_full_", ".grafeo");
  entry.end_epoch = end;
  return begin(std::move(entry));
}

Result<GrafeoWriter::OpenSegment> GrafeoWriter::begin_incremental(Epoch start, Epoch end) {
  grafeo::SegmentEntry entry;
  entry.kind = SegmentKind::kIncremental;
  entry.filename = next_name("backup_incr_", ".wal");
  entry.start_epoch = start;
  entry.end_epoch = end;
  return begin(std::move(entry));
}

Result<std::uint64_t> GrafeoWriter::commit(OpenSegment segment, grafeo::Generation generation) {
  TRY(segment.upload_->finish());
  segment.entry_.crc32 = segment.crc_.value();
  segment.entry_.created = grafeo::to_unix_millis(utc_now());
  const std::uint64_t size_bytes = segment.entry_.size_bytes;
  grafeo::Manifest next = manifest_;
  next.generation = generation;
  next.segments.push_back(std::move(segment.entry_));
  TRY_ASSIGN(const Bytes document, grafeo::encode_manifest(next));
  // What no reader would take must never replace what every reader takes.
  TRY(with_context(grafeo::parse_manifest(document),
                   [] { return std::string("the new manifest"); }));
  TRY(storage_->replace(grafeo::kManifestFile, document, version_));
  TRY_ASSIGN(const ObjectInfo info, storage_->stat(grafeo::kManifestFile));
  manifest_ = std::move(next);
  version_ = info.version;
  return size_bytes;
}

}  // namespace epochfs::engine
