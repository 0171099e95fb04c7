#include "engine/repo/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "engine/core/text.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/lost_races.h"
#include "engine/repo/native_database.h"
#include "engine/source/ahead_blob.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
namespace {

using native::SegmentEntry;

constexpr std::size_t kPieceBytes = 1024 * 1024;

std::string object_name(const std::string& database, const SegmentEntry& entry) {
  return fmt::format("{}/{}", database, entry.filename);
}

using Take = std::function<Result<void>(ByteView piece)>;

// The SHA-256 of all bytes of the object, which go to `take` on the way.
Result<Sha256Digest> pass(std::shared_ptr<const Blob> blob, bool is_remote, const Take& take) {
  if (is_remote) blob = std::make_shared<const AheadBlob>(std::move(blob));
  Sha256 sha256;
  Bytes buffer(std::min<std::uint64_t>(kPieceBytes, blob->size_bytes()));
  for (std::uint64_t at = 0; at < blob->size_bytes(); at += buffer.size()) {
    const MutableByteView piece(buffer.data(),
                                std::min<std::uint64_t>(buffer.size(), blob->size_bytes() - at));
    TRY(blob->read(at, piece));
    sha256.update(piece);
    TRY(take(piece));
  }
  return sha256.finish();
}

// A manifest as it lies there, and what it says.
struct ManifestText {
  Bytes bytes;
  StoredManifest stored;
};
Result<ManifestText> read_manifest(const Storage& storage, const std::string& database) {
  return with_newest_manifest([&]() -> Result<ManifestText> {
    ManifestText text;
    TRY_ASSIGN(text.stored, load_manifest(storage, database));
    TRY_ASSIGN(Storage::Content content,
               storage.get(manifest_path(database), native::kManifestBytesMax));
    if (Sha256::of(content.bytes) != text.stored.sha256)
      return Error::busy(storage.describe(manifest_path(database)) + " changes all the time");
    text.bytes = std::move(content.bytes);
    TRY(with_context(native::check_entries(text.stored.manifest),
                     [&] { return storage.describe(manifest_path(database)); }));
    return text;
  });
}

// One database on its way.
class DatabaseCopy {
 public:
  DatabaseCopy(const CopyOptions& options, const Storage& source, Storage& target,
               std::string database, CopyReport& report)
      : options_(options),
        source_(source),
        target_(target),
        database_(std::move(database)),
        report_(report) {}

  Result<void> run() {
    TRY_ASSIGN(const ManifestText from, read_manifest(source_, database_));
    TRY_ASSIGN(const auto lock, target_.lock_writer(database_, options_.wait));
    TRY_ASSIGN(auto to, find_target());
    const auto& segments = from.stored.manifest.segments;
    ++report_.databases;
    report_.segments += segments.size();
    if (to && to->bytes == from.bytes) return {};
    std::size_t there = 0;
    if (to) {
      TRY(check_continues(to->stored.manifest, from.stored.manifest));
      there = to->stored.manifest.segments.size();
    }
    for (std::size_t i = there; i < segments.size(); ++i) total_bytes_ += segments[i].size_bytes;
    for (std::size_t i = there; i < segments.size(); ++i) {
      TRY(copy_segment(segments[i]));
      if (!to && i + 1 < segments.size()) {
        TRY_ASSIGN(to, begin_history(from.stored.manifest));
      }
    }
    return target_.replace(manifest_path(database_), from.bytes,
                           to ? std::optional(to->stored.version) : std::nullopt);
  }

 private:
  Result<std::optional<ManifestText>> find_target() const {
    auto text = read_manifest(target_, database_);
    if (text) return std::optional(*std::move(text));
    if (text.error().code != Code::kNotFound) return tl::unexpected(std::move(text).error());
    TRY_ASSIGN(const bool lost, lost_its_manifest(target_, database_));
    if (lost)
      return Error::corrupt(fmt::format(
          "{} is missing beside the segments of its history; put it back, or move them away",
          target_.describe(manifest_path(database_))));
    return std::optional<ManifestText>();
  }

  // Segments without a manifest are taken for a history that has lost it. So there is one as soon
  // as there is a segment that it can name.
  Result<std::optional<ManifestText>> begin_history(const native::Manifest& wanted) {
    native::Manifest first = wanted;
    first.segments.resize(1);
    first.revision = 1;
    first.previous.reset();
    const std::string json = native::sealed(native::encode_manifest(first));
    TRY(target_.replace(manifest_path(database_), as_bytes(json), std::nullopt));
    TRY_ASSIGN(ManifestText there, read_manifest(target_, database_));
    if (as_text(there.bytes) != json)
      return Error::locked(target_.describe(manifest_path(database_)) +
                           ": changed by another writer");
    return std::optional(std::move(there));
  }

  [[nodiscard]] Result<void> check_continues(const native::Manifest& there,
                                             const native::Manifest& wanted) const {
    const auto begins_with = [](const auto& longer, const auto& shorter) {
      return longer.size() >= shorter.size() &&
             std::equal(shorter.begin(), shorter.end(), longer.begin());
    };
    const bool same_database = there.engine == wanted.engine && there.file_name == wanted.file_name;
    if (same_database && begins_with(wanted.segments, there.segments)) return {};
    if (same_database && begins_with(there.segments, wanted.segments))
      return Error::io(fmt::format("{} holds newer epochs than {}: copy the other way round",
                                   target_.describe(database_), source_.describe(database_)));
    return Error::io(
        fmt::format("{} holds another history than {}: copy to a place without it, or move it away",
                    target_.describe(database_), source_.describe(database_)));
  }

  Result<void> copy_segment(const SegmentEntry& entry) {
    TRY_ASSIGN(const bool there, is_there(entry));
    if (there) {
      advance(entry.size_bytes);
      return {};
    }
    TRY_ASSIGN(const bool sent, send(entry));
    if (!sent) return {};
    ++report_.segments_copied;
    report_.bytes_copied += entry.size_bytes;
    return {};
  }

  // Left by a copy that was interrupted, whole and right. What is there instead goes where the lock
  // says that nobody is about to name it.
  Result<bool> is_there(const SegmentEntry& entry) {
    const std::string name = object_name(database_, entry);
    const auto blob = target_.open(name);
    if (!blob && blob.error().code == Code::kNotFound) return false;
    if (!blob) return tl::unexpected(blob.error());
    if ((*blob)->size_bytes() == entry.size_bytes) {
      TRY_ASSIGN(const Sha256Digest sha256,
                 pass(*blob, target_.is_remote(), [](ByteView) { return Result<void>(); }));
      if (sha256 == entry.sha256) return true;
    }
    if (!target_.has_locks())
      return Error::io(fmt::format(
          "{} is there with other content, and no manifest names it: remove it if no writer is at "
          "work there",
          target_.describe(name)));
    TRY(target_.remove(name));
    return false;
  }

  // False: somebody else was faster, with the same bytes.
  Result<bool> send(const SegmentEntry& entry) {
    const std::string name = object_name(database_, entry);
    TRY_ASSIGN(const auto blob, source_.open(name));
    const auto damaged = [&](std::string_view what) {
      return Error::corrupt(fmt::format("{}: {}", source_.describe(name), what));
    };
    if (blob->size_bytes() != entry.size_bytes)
      return damaged(
          fmt::format("has {} bytes, the manifest says {}", blob->size_bytes(), entry.size_bytes));
    TRY_ASSIGN(const auto upload, target_.create(name));
    TRY_ASSIGN(const Sha256Digest sha256,
               pass(blob, source_.is_remote(), [&](ByteView piece) -> Result<void> {
                 TRY(upload->append(piece));
                 advance(piece.size());
                 return {};
               }));
    if (sha256 != entry.sha256) return damaged("its SHA-256 is not the manifest's");
    const auto finished = upload->finish();
    if (finished) return true;
    if (finished.error().code != Code::kExists) return tl::unexpected(finished.error());
    TRY_ASSIGN(const bool same, is_there(entry));
    if (!same) return tl::unexpected(finished.error());
    return false;
  }

  void advance(std::uint64_t bytes) {
    done_bytes_ += bytes;
    if (options_.progress) options_.progress(done_bytes_, total_bytes_);
  }

  const CopyOptions& options_;
  const Storage& source_;
  Storage& target_;
  const std::string database_;
  CopyReport& report_;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

// Of all databases, or of the one that is asked for.
Result<std::vector<std::string>> chosen_databases(const Storage& source,
                                                  const std::string& database) {
  TRY_ASSIGN(Listing listing, source.list(""));
  std::vector<std::string> names;
  for (std::string& name : listing.directories) {
    if (!database.empty() && name != database) continue;
    const auto manifest = source.stat(manifest_path(name));
    if (manifest) {
      names.push_back(std::move(name));
      continue;
    }
    if (manifest.error().code != Code::kNotFound) return tl::unexpected(manifest.error());
    TRY_ASSIGN(const bool lost, lost_its_manifest(source, name));
    if (lost)
      return Error::corrupt(fmt::format("{}: missing, while the segments it names are there",
                                        source.describe(manifest_path(name))));
  }
  if (names.empty() && !database.empty())
    return Error::not_found(
        fmt::format("{} holds no database {}", source.location(), printable(database)));
  return names;
}

Result<void> make_target(const std::string& location, const Storage& target) {
  const std::string file(native::kRepositoryFile);
  const auto there = target.stat(file);
  if (there) return {};
  if (there.error().code != Code::kNotFound) return tl::unexpected(there.error());
  return init_repository(location);
}

}  // namespace

Result<CopyReport> copy_repository(const CopyOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto source, open_storage(options.source));
  TRY_ASSIGN(const auto target, open_storage(options.target));
  const auto identity =
      source->get(std::string(native::kRepositoryFile), native::kRepositoryBytesMax);
  if (!identity && identity.error().code == Code::kNotFound)
    return Error::no_repository(
        fmt::format("{} holds no {}", source->location(), native::kRepositoryFile));
  if (!identity) return tl::unexpected(identity.error());
  TRY_ASSIGN(const auto names, chosen_databases(*source, options.database));
  TRY(make_target(options.target, *target));
  CopyReport report;
  for (const std::string& name : names) {
    TRY(again_after_lost_races(options.wait, [&]() -> Result<void> {
      CopyReport counted = report;
      TRY(DatabaseCopy(options, *source, *target, name, counted).run());
      report = counted;
      return {};
    }));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace epochfs::engine
