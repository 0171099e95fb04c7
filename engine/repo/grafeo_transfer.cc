#include "engine/repo/grafeo_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/core/text.h"
#include "engine/formats/grafeo/gbak.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/repo/backup_target.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/grafeo_directory_writer.h"
#include "engine/repo/lost_races.h"
#include "engine/repo/packed_grafeo_writer.h"
#include "engine/source/object_pass.h"
#include "engine/storage/has_object.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
namespace {

using grafeo::Generation;
using grafeo::SegmentKind;

// A history that is read.
struct Origin {
  std::shared_ptr<const Storage> storage;
  GrafeoPlace place;
  grafeo::Manifest manifest;

  static Result<Origin> load(std::shared_ptr<const Storage> storage, GrafeoPlace place) {
    TRY_ASSIGN(StoredGrafeoManifest stored, load_grafeo_manifest(*storage, place));
    TRY(with_context(check_entries(stored.manifest),
                     [&] { return storage->describe(place.object(place.manifest_file())); }));
    return Origin{std::move(storage), std::move(place), std::move(stored.manifest)};
  }

  [[nodiscard]] Result<std::shared_ptr<const Blob>> open(const grafeo::SegmentEntry& entry) const {
    TRY_ASSIGN(const std::string name, grafeo::object_name(entry));
    return storage->open(place.object(name));
  }
  [[nodiscard]] std::string describe(const grafeo::SegmentEntry& entry) const {
    return storage->describe(place.object(printable(entry.filename)));
  }
};

// The same file, under whatever name, made whenever.
bool is_same_segment(const grafeo::SegmentEntry& one, const grafeo::SegmentEntry& other) {
  return one.kind == other.kind && one.start_epoch == other.start_epoch &&
         one.end_epoch == other.end_epoch && one.crc32 == other.crc32 &&
         one.size_bytes == other.size_bytes;
}

// Copies what the writer's history lacks of the origin's.
class Transfer {
 public:
  Transfer(const Origin& origin, GrafeoWriter& writer, Generation generation,
           const Progress& progress)
      : origin_(origin), writer_(writer), generation_(generation), progress_(progress) {}

  Result<TransferReport> run() {
    const auto begin = std::chrono::steady_clock::now();
    const auto& segments = origin_.manifest.segments;
    TRY(check_begun());
    const std::size_t there = writer_.manifest().segments.size();
    for (std::size_t i = there; i < segments.size(); ++i) total_bytes_ += segments[i].size_bytes;
    for (std::size_t i = there; i < segments.size(); ++i)
      TRY(with_context(copy(segments[i]), [&] { return origin_.describe(segments[i]); }));
    report_.segments = segments.size();
    report_.segments_copied = segments.size() - there;
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  Result<void> check_begun() const {
    const auto& begun = writer_.manifest().segments;
    const auto& segments = origin_.manifest.segments;
    const bool fits = begun.size() <= segments.size() &&
                      std::equal(begun.begin(), begun.end(), segments.begin(), is_same_segment);
    if (fits) return {};
    return Error::invalid(fmt::format("{} holds another history than {}: choose another place",
                                      writer_.location(), origin_.storage->location()));
  }

  Result<void> copy(const grafeo::SegmentEntry& entry) {
    TRY_ASSIGN(auto blob, origin_.open(entry));
    if (blob->size_bytes() != entry.size_bytes)
      return Error::corrupt(
          fmt::format("has {} bytes, the manifest says {}", blob->size_bytes(), entry.size_bytes));
    TRY(writer_.begin(entry));
    ObjectPass pass(std::move(blob));
    while (pass.left() > 0) {
      TRY_ASSIGN(const ByteView bytes, pass.next(ObjectPass::kPieceBytes));
      TRY(writer_.append(bytes));
      report_.bytes_read += bytes.size();
      if (progress_) progress_(report_.bytes_read, total_bytes_);
    }
    if (writer_.crc32() != entry.crc32)
      return Error::corrupt(
          fmt::format("its CRC is {:08x}, the manifest says {:08x}", writer_.crc32(), entry.crc32));
    TRY_ASSIGN(const std::uint64_t stored, writer_.commit(generation_));
    report_.bytes_stored += stored;
    return {};
  }

  const Origin& origin_;
  GrafeoWriter& writer_;
  Generation generation_;
  const Progress& progress_;
  std::uint64_t total_bytes_ = 0;
  TransferReport report_;
};

// The one that is asked for, or the only one.
Result<std::string> choose(std::vector<std::string> names, const std::string& wanted,
                           const std::string& location) {
  if (!wanted.empty()) {
    if (std::ranges::find(names, wanted) != names.end()) return wanted;
    return Error::not_found(
        fmt::format("{} holds no database {} of Grafeo's", location, printable(wanted)));
  }
  if (names.empty()) return Error::not_found(location + " holds no database of Grafeo's");
  if (names.size() == 1) return names.front();
  return Error::invalid(fmt::format("{} holds several databases of Grafeo's; name one as {}#{}",
                                    location, location, printable(names.front())));
}

Result<Origin> open_directory(const ImportOptions& options) {
  TRY_ASSIGN(std::shared_ptr<const Storage> storage, open_storage(options.source));
  auto places = find_grafeo_places(*storage, name_of_directory(options.source));
  if (!places && places.error().code != Code::kNotFound) return tl::unexpected(places.error());
  if (!places || places->empty())
    return Error::no_repository(
        fmt::format("{} holds no {}", storage->location(), grafeo::kManifestFile));
  std::vector<std::string> names;
  for (const GrafeoPlace& place : *places) names.push_back(place.database);
  TRY_ASSIGN(const std::string name, choose(std::move(names), options.database, options.source));
  return Origin::load(std::move(storage),
                      *std::ranges::find(*places, name, &GrafeoPlace::database));
}

Result<Origin> open_packed(const NativeRepository& repository, const std::string& wanted,
                           const std::vector<std::string>& databases) {
  std::vector<std::string> names;
  for (const std::string& name : databases) {
    const auto stored = load_manifest(*repository.parts().storage, name);
    // One that is damaged hides no other, unless it is the one that is asked for.
    if (!stored && name == wanted) return tl::unexpected(stored.error());
    if (stored && stored->manifest.engine == native::Engine::kGrafeo) names.push_back(name);
  }
  TRY_ASSIGN(const std::string name, choose(std::move(names), wanted, repository.location()));
  return Origin::load(packed_grafeo_parts(repository.parts(), name).storage,
                      packed_grafeo_place(name));
}

Result<Generation> generation_of(const Origin& origin, const grafeo::SegmentEntry& entry) {
  TRY_ASSIGN(const auto blob, origin.open(entry));
  const bool is_full = entry.kind == SegmentKind::kFull;
  Bytes start(std::min<std::uint64_t>(
      blob->size_bytes(), is_full ? grafeo::kImageHeaderSize : grafeo::kGbakHeaderSize));
  TRY(blob->read(0, start));
  if (is_full)
    return grafeo::parse_image_header(start).map(
        [](const grafeo::ImageHeader& header) { return header.generation(); });
  return grafeo::parse_gbak_header(start).map(
      [](const grafeo::GbakHeader& header) { return header.generation; });
}

// 0.5 reads nothing that 0.6 has written, not even beside what is its own.
Result<void> check_all_of_v1(const Origin& origin) {
  for (const grafeo::SegmentEntry& entry : origin.manifest.segments) {
    TRY_ASSIGN(const Generation generation,
               with_context(generation_of(origin, entry), [&] { return origin.describe(entry); }));
    if (generation != Generation::kV1)
      return Error::invalid(
          fmt::format("{} was written by Grafeo 0.6, which 0.5 cannot read: use --format grafeo-v2",
                      origin.describe(entry)));
  }
  return {};
}

// Somebody else's files are not to be mixed with a history.
Result<void> check_output(const std::string& output) {
  TRY_ASSIGN(const auto storage, open_storage(output));
  const auto listing = storage->list("");
  if (!listing && listing.error().code == Code::kNotFound) return {};
  if (!listing) return tl::unexpected(listing.error());
  const bool is_empty = listing->objects.empty() && listing->directories.empty();
  if (is_empty) return {};
  TRY_ASSIGN(const bool is_of_grafeo, has_object(*storage, grafeo::kManifestFile));
  if (is_of_grafeo) return {};
  return Error::exists(fmt::format("{} holds something else than backups of Grafeo's (no {})",
                                   storage->location(), grafeo::kManifestFile));
}

GrafeoWriter::Lock lock(bool wait) {
  return wait ? GrafeoWriter::Lock::kWaitFor : GrafeoWriter::Lock::kTake;
}

}  // namespace

Result<TransferReport> import_grafeo(const ImportOptions& options) {
  TRY_ASSIGN(const Origin origin, open_directory(options));
  TRY_ASSIGN(const std::string name,
             database_name(options.name.empty() ? origin.place.database : options.name, ""));
  TRY_ASSIGN(const auto repository, open_target(options.location, options.cache_directory, true));
  return again_after_lost_races(options.wait, [&]() -> Result<TransferReport> {
    TRY_ASSIGN(const auto writer,
               PackedGrafeoWriter::open(repository->parts(),
                                        {name, grafeo_image_name(name), lock(options.wait), true}));
    TRY_ASSIGN(TransferReport report,
               Transfer(origin, *writer, origin.manifest.generation, options.progress).run());
    report.database = name;
    return report;
  });
}

Result<TransferReport> export_grafeo(const ExportOptions& options) {
  TRY_ASSIGN(const auto repository,
             NativeRepository::open({options.location, options.cache_directory}));
  TRY_ASSIGN(const auto databases, repository->databases());
  TRY_ASSIGN(const Origin origin, open_packed(*repository, options.database, databases));
  const Generation generation = options.format.value_or(origin.manifest.generation);
  if (generation == Generation::kV1) TRY(check_all_of_v1(origin));
  TRY(check_output(options.output));
  TRY_ASSIGN(const auto writer, GrafeoDirectoryWriter::open(options.output, lock(options.wait)));
  TRY_ASSIGN(TransferReport report, Transfer(origin, *writer, generation, options.progress).run());
  report.database = origin.place.database;
  return report;
}

}  // namespace epochfs::engine
