// ZlayerRepository: one prefix of the replicator's, or several below one; and verify() of them.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "engine/core/text.h"
#include "engine/formats/zlayer/object_names.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/looked_at.h"
#include "engine/repo/opened_index.h"
#include "engine/repo/zlayer_database.h"
#include "engine/source/history.h"
#include "engine/storage/open_storage.h"
#include "engine/storage/temporary_directory.h"

namespace epochfs::engine {
namespace {

Result<bool> is_place(const Storage& storage, const ZlayerPlace& place) {
  TRY_ASSIGN(const ZlayerListing listing, list_zlayer(storage, place));
  return !listing.empty();
}

Result<std::vector<ZlayerPlace>> find_places(const Storage& storage, const ZlayerPlace& root) {
  TRY_ASSIGN(const bool is_root, is_place(storage, root));
  if (is_root) return std::vector{root};
  auto listing = storage.list("");
  if (!listing && listing.error().code != Code::kNotFound)
    return tl::unexpected(std::move(listing).error());
  if (!listing) return std::vector<ZlayerPlace>();
  using Found = std::optional<ZlayerPlace>;
  return look_at_each<ZlayerPlace>(storage, listing->directories,
                                   [&](const std::string& directory) -> Result<Found> {
                                     ZlayerPlace place{directory, directory, root.with_unproven};
                                     TRY_ASSIGN(const bool is_one, is_place(storage, place));
                                     return is_one ? Found(std::move(place)) : Found();
                                   });
}

using NewestOnEach = std::map<SegmentNo, Epoch>;

// Of each snapshot that epochs rest on, the newest of these.
Result<NewestOnEach> newest_on_each(const PageIndex& index, const IndexedTimeline& timeline) {
  NewestOnEach newest;
  TRY_ASSIGN(const PageIndex::Reader reader, index.read());
  TRY(visit_epochs(timeline, Epoch(), [&](const native::EpochFacts& facts) -> Result<bool> {
    TRY_ASSIGN(const auto row, reader.epoch(timeline.row().number, facts.epoch));
    // The snapshot itself need not be what its logs are on.
    if (row && (!row->layers.empty() || !newest.contains(row->base)))
      newest[row->base] = facts.epoch;
    return true;
  }));
  return newest;
}

// That a snapshot is the one below a log is told by contents and times. Where that is wrong, SQLite
// may notice.
Result<void> check_bases(const PageIndex& index, ZlayerDatabase& database,
                         const IndexedTimeline& timeline, VerifyReport& report) {
  TRY_ASSIGN(const NewestOnEach newest, newest_on_each(index, timeline));
  TRY_ASSIGN(const TemporaryDirectory scratch, TemporaryDirectory::create(temporary_parent()));
  for (const auto& [base, epoch] : newest) {
    const auto restored = restore(
        database, epoch, {.output = scratch.file("database"), .force = true, .progress = {}});
    if (restored) continue;
    if (!is_damage(restored.error())) return tl::unexpected(restored.error());
    TRY_ASSIGN(const PageIndex::Reader reader, index.read());
    TRY_ASSIGN(const SegmentRow row, reader.segment(timeline.row().number, base));
    report.damage.push_back(
        {database.name(), row.filename, restored.error().text, epoch, epoch, false});
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<ZlayerRepository>> ZlayerRepository::open(const RepositoryOptions& options,
                                                                 PageIndex::Kind index_kind) {
  TRY_ASSIGN(std::shared_ptr<const Storage> storage, open_storage(options.location));
  ZlayerPlace root{"", name_of_directory(options.location), options.with_unproven};
  TRY_ASSIGN(const auto places, find_places(*storage, root));
  if (places.empty())
    return Error::no_repository(fmt::format("{} holds no {}/ and no {}/ of ZLayer's",
                                            storage->location(), zlayer::kSnapshotDirectory,
                                            zlayer::kWalDirectory));
  TRY_ASSIGN(OpenedIndex opened, open_index(options, "zlayer", index_kind));
  auto objects = std::make_shared<DecompressedObjects>(storage, opened.directory + "/objects");
  ZlayerParts parts{std::move(storage), std::move(opened.index), std::move(objects)};
  return std::shared_ptr<ZlayerRepository>(
      new ZlayerRepository(std::move(parts), std::move(root), std::move(opened.directory)));
}

Result<std::vector<ZlayerPlace>> ZlayerRepository::places() {
  return places_.get([this] { return find_places(*parts_.storage, root_); });
}

Result<std::vector<std::string>> ZlayerRepository::databases() {
  TRY_ASSIGN(const auto found, places());
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const ZlayerPlace& place : found) names.push_back(place.database);
  return names;
}

Result<std::shared_ptr<Database>> ZlayerRepository::database(const std::string& name) {
  TRY_ASSIGN(const auto found, places());
  const auto place = std::ranges::find(found, name, &ZlayerPlace::database);
  if (place == found.end())
    return Error::not_found(fmt::format("{} holds no database {}", location(), printable(name)));
  return databases_.get(name, [&] { return ZlayerDatabase::open(parts_, *place); });
}

CacheCounters ZlayerRepository::cache_counters() const {
  CacheCounters counters;
  counters.bytes_read = parts_.objects->stored_bytes_read();
  return counters;
}

Result<VerifyReport> verify_zlayer(const RepositoryOptions& scratch, const std::string& database,
                                   bool quick, const Progress& progress) {
  TRY_ASSIGN(const auto repository, ZlayerRepository::open(scratch, PageIndex::Kind::kScratch));
  TRY_ASSIGN(std::vector<ZlayerPlace> places, repository->places());
  if (!database.empty()) {
    std::erase_if(places, [&](const ZlayerPlace& place) { return place.database != database; });
    if (places.empty())
      return Error::not_found(
          fmt::format("{} holds no database {}", repository->location(), printable(database)));
  }
  VerifyReport report;
  for (const ZlayerPlace& place : places) {
    // The index is empty: taking everything in reads every object to its end.
    TRY_ASSIGN(const auto opened, ZlayerDatabase::open(repository->parts(), place));
    TRY_ASSIGN(const auto timeline, opened->timeline());
    const auto& indexed = static_cast<const IndexedTimeline&>(*timeline);
    const DatabaseRow& row = indexed.row();
    ++report.databases;
    report.segments += row.segment_count + row.problems.size();
    report.epochs += row.epoch_count;
    report.bytes_checked += row.stored_bytes;
    for (const IndexProblem& problem : row.problems)
      report.damage.push_back({place.database, problem.object, problem.text, {}, {}, false});
    for (const std::string& note : row.notes) report.warnings.push_back(note);
    if (progress) progress(report.bytes_checked, report.bytes_checked);
    if (!quick) TRY(check_bases(*repository->parts().index, *opened, indexed, report));
  }
  return report;
}

}  // namespace epochfs::engine
