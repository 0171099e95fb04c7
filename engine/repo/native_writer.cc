#include "engine/repo/native_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/core/time.h"
#include "engine/formats/native/seal.h"

namespace epochfs::engine {
namespace {

// No object has it: where it is expected, nothing is replaced.
std::string unknown_version() { return "unknown-" + random_identity(); }

bool names(const native::Manifest& manifest, const std::string& filename) {
  return std::ranges::find(manifest.segments, filename, &native::SegmentEntry::filename) !=
         manifest.segments.end();
}

// "app.db" -> "full-412.db.zst": without the last ending it is the database's own kind of file.
// Endings that are not short and plain are left out.
std::string full_name(Epoch epoch, const std::string& file_name) {
  const std::string extension = std::filesystem::path(file_name).extension().string();
  const bool plain = extension.size() <= 16 && std::ranges::all_of(extension, [](char c) {
                       return c == '.' || c == '_' || c == '-' || (c >= '0' && c <= '9') ||
                              (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                     });
  return fmt::format("full-{}{}.zst", epoch.get(), plain ? extension : "");
}

}  // namespace

Result<NativeWriter> NativeWriter::open(const NativeParts& parts, const std::string& database,
                                        bool wait) {
  TRY_ASSIGN(auto lock, parts.storage->lock_writer(database, wait));
  NativeWriter writer(parts, database, std::move(lock));
  auto stored = load_manifest(*parts.storage, database);
  if (stored) {
    TRY(with_context(native::check_entries(stored->manifest),
                     [&] { return parts.storage->describe(manifest_path(database)); }));
    writer.manifest_ = std::move(stored->manifest);
    writer.version_ = std::move(stored->version);
    writer.sha256_ = stored->sha256;
  } else if (stored.error().code == Code::kNotFound) {
    TRY_ASSIGN(const bool lost, lost_its_manifest(*parts.storage, database));
    if (lost)
      return Error::corrupt(fmt::format(
          "{} is missing beside the segments of its history; put it back, or move them away "
          "to begin a new one",
          parts.storage->describe(manifest_path(database))));
    writer.manifest_.database = database;
  } else {
    return tl::unexpected(std::move(stored).error());
  }
  return writer;
}

void NativeWriter::describe(native::Engine engine, std::string file_name) {
  manifest_.engine = engine;
  manifest_.file_name = std::move(file_name);
}

void NativeWriter::set_generation(grafeo::Generation generation) noexcept {
  manifest_.generation = generation;
}

Epoch NativeWriter::last_epoch() const noexcept {
  Epoch last;
  for (const native::SegmentEntry& entry : manifest_.segments)
    last = std::max(last, entry.end_epoch);
  return last;
}

bool NativeWriter::has_full(Epoch epoch) const noexcept {
  return std::ranges::any_of(manifest_.segments, [&](const native::SegmentEntry& entry) {
    return entry.kind == native::SegmentKind::kFull && entry.end_epoch == epoch;
  });
}

NativeWriter::ChainCost NativeWriter::chain_cost() const noexcept {
  ChainCost cost;
  for (const native::SegmentEntry& entry : manifest_.segments) {
    if (entry.kind == native::SegmentKind::kFull)
      cost = ChainCost{entry.size_bytes, 0};
    else
      cost.incremental_bytes += entry.size_bytes;
  }
  return cost;
}

bool NativeWriter::has_segment(const std::string& filename) const noexcept {
  return names(manifest_, filename);
}

Result<NativeWriter::OpenSegment> NativeWriter::begin(std::string filename) {
  // Epochs of Grafeo's may repeat: incr-4-3-2.log.zst is the second of them.
  const std::size_t stem = filename.find('.');
  const std::string plain = filename;
  for (int copy = 2; has_segment(filename); ++copy)
    filename = fmt::format("{}-{}{}", plain.substr(0, stem), copy, plain.substr(stem));
  const bool alone = parts_.storage->has_locks();
  // What another writer is about to name in the manifest must not be taken from him: where he may
  // be at work now, every segment has a name of its own.
  if (!alone) filename.insert(filename.find('.'), '.' + random_identity().substr(0, 8));
  const std::string path = fmt::format("{}/{}", database_, filename);
  // Not in the manifest, so it is what a writer left who died between segment and manifest.
  if (alone) TRY(parts_.storage->remove(path));
  TRY_ASSIGN(auto upload, parts_.storage->create(path));
  return OpenSegment{std::move(filename), std::move(upload)};
}

Result<NativeWriter::OpenSegment> NativeWriter::begin_full(Epoch epoch) {
  return begin(full_name(epoch, manifest_.file_name));
}

Result<NativeWriter::OpenSegment> NativeWriter::begin_incremental(Epoch first, Epoch last) {
  return begin(fmt::format("incr-{}-{}.seg", first.get(), last.get()));
}

Result<NativeWriter::OpenSegment> NativeWriter::begin_log(Epoch first, Epoch last) {
  return begin(fmt::format("incr-{}-{}.log.zst", first.get(), last.get()));
}

Result<void> NativeWriter::commit(OpenSegment segment, const SegmentSummary& summary) {
  TRY_ASSIGN(native::SegmentEntry entry, entry_of(segment, summary));
  TRY(segment.upload->finish());
  return publish(std::move(entry));
}

Result<native::SegmentEntry> NativeWriter::entry_of(const OpenSegment& segment,
                                                    const SegmentSummary& summary) const {
  native::SegmentEntry entry;
  entry.kind = summary.footer.kind;
  entry.filename = segment.filename;
  entry.start_epoch = summary.footer.start_epoch;
  entry.end_epoch = summary.footer.end_epoch;
  entry.checksum = summary.checksum;
  entry.size_bytes = summary.size_bytes;
  entry.created_at_ms = static_cast<std::uint64_t>(utc_now().get() / 1'000'000);
  entry.sha256 = summary.sha256;
  entry.tables_sha256 = summary.tables_sha256;
  entry.page_size = summary.footer.page_size;
  if (entry.kind == native::SegmentKind::kIncremental) {
    const auto base = std::ranges::find_if(manifest_.segments.rbegin(), manifest_.segments.rend(),
                                           [](const native::SegmentEntry& earlier) {
                                             return earlier.kind == native::SegmentKind::kFull;
                                           });
    if (base == manifest_.segments.rend()) return Error::invalid("an incremental needs a full");
    entry.base = base->filename;
  }
  return entry;
}

Result<void> NativeWriter::publish(native::SegmentEntry entry) {
  native::Manifest next = manifest_;
  next.segments.push_back(std::move(entry));
  next.revision += 1;
  next.previous = version_ ? std::optional(sha256_) : std::nullopt;
  const std::string json = native::sealed(native::encode_manifest(next));
  const std::string path = manifest_path(database_);
  // What no reader would take must never replace what every reader takes.
  TRY(with_context(native::parse_manifest(as_bytes(json)).and_then(native::check_entries),
                   [&] { return "the new " + path; }));
  const std::string filename = next.segments.back().filename;
  auto replaced = parts_.storage->replace(path, as_bytes(json), version_);
  if (!replaced && replaced.error().code == Code::kLocked) remove_unless_named(filename);
  TRY(replaced);
  manifest_ = std::move(next);
  sha256_ = Sha256::of(as_bytes(json));
  return take_version(filename);
}

Result<void> NativeWriter::take_version(const std::string& filename) {
  const std::string path = manifest_path(database_);
  // Until it is known: the next commit fails, as it must.
  version_ = unknown_version();
  auto stored = parts_.storage->get(path, native::kManifestBytesMax);
  // It is committed all the same.
  if (!stored) return {};
  if (Sha256::of(stored->bytes) == sha256_) {
    version_ = std::move(stored->version);
    return {};
  }
  // Without locks another writer may have built on it by now. But a store that heeds no conditions
  // lets him replace what he has not seen.
  const auto theirs = native::check_seal(stored->bytes).and_then([&] {
    return native::parse_manifest(stored->bytes);
  });
  if (theirs && names(*theirs, filename)) return {};
  return Error::locked(parts_.storage->describe(path) +
                       ": another writer has replaced it without looking at it");
}

// Locally it is in nobody's way, and the next backup that wants the name removes it.
void NativeWriter::remove_unless_named(const std::string& filename) const {
  if (parts_.storage->has_locks()) return;
  // A refused write may have been carried out, and somebody may have gone on from it.
  const auto stored = load_manifest(*parts_.storage, database_);
  if (!stored || names(stored->manifest, filename)) return;
  [[maybe_unused]] const auto ignored =
      parts_.storage->remove(fmt::format("{}/{}", database_, filename));
}

Result<void> NativeWriter::save_cursor(const native::Cursor& cursor) {
  const std::string path = cursor_path(database_);
  const auto before = parts_.storage->stat(path);
  if (!before && before.error().code != Code::kNotFound) return tl::unexpected(before.error());
  const std::string json = native::sealed(native::encode_cursor(cursor));
  return parts_.storage->replace(path, as_bytes(json),
                                 before ? std::optional(before->version) : std::nullopt);
}

}  // namespace epochfs::engine
