// NativeRepository: a repository of our own, in a directory.

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/ordered_pipeline.h"
#include "engine/core/text.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/looked_at.h"
#include "engine/repo/native_database.h"
#include "engine/repo/opened_index.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
namespace {

// What is fetched ahead must not drive out of the cache what was fetched before and nobody read
// yet.
AheadPlan ahead_plan(const Storage& storage, std::uint64_t cache_bytes) {
  constexpr std::uint64_t kPieceBytesMin = 64 * 1024;  // no block is larger
  AheadPlan plan = storage.is_remote() ? kRemoteAhead : AheadPlan();
  plan.bytes_ahead = std::min(plan.bytes_ahead, cache_bytes / 4);
  // Nor may a piece be too large for its part of the cache, which would not keep it until it is
  // read.
  while (plan.piece_bytes > kPieceBytesMin && plan.piece_bytes > cache_bytes / 64)
    plan.piece_bytes /= 2;
  return plan;
}

}  // namespace

Result<std::shared_ptr<NativeRepository>> NativeRepository::open(const RepositoryOptions& options,
                                                                 PageIndex::Kind index_kind) {
  TRY_ASSIGN(std::shared_ptr<Storage> storage, open_storage(options.location));
  const auto content =
      storage->get(std::string(native::kRepositoryFile), native::kRepositoryBytesMax);
  if (!content && content.error().code == Code::kNotFound)
    return Error::no_repository(
        fmt::format("{} holds no {}", storage->location(), native::kRepositoryFile));
  if (!content) return tl::unexpected(content.error());
  const auto where = [&] { return storage->describe(native::kRepositoryFile); };
  TRY(with_context(native::check_seal(content->bytes), where));
  TRY_ASSIGN(native::RepositoryInfo info,
             with_context(native::parse_repository(content->bytes), where));
  TRY_ASSIGN(OpenedIndex opened, open_index(options, info.id, index_kind));
  std::shared_ptr<RangeCache> disk_cache;
  if (options.disk_cache_bytes > 0 && storage->is_remote()) {
    TRY_ASSIGN(disk_cache,
               RangeCache::open(opened.directory + "/ranges", options.disk_cache_bytes));
    storage = make_cached_storage(std::move(storage), disk_cache);
  }
  const AheadPlan ahead = ahead_plan(*storage, options.cache_bytes);
  NativeParts parts{std::move(storage),
                    std::move(opened.index),
                    std::make_shared<BlockCache>(options.cache_bytes),
                    std::make_shared<OpenSegments>(),
                    std::make_shared<ReadAhead>(std::max(2U, thread_count(ahead.readers))),
                    ahead,
                    std::move(disk_cache)};
  return std::shared_ptr<NativeRepository>(
      new NativeRepository(std::move(parts), std::move(info), std::move(opened.directory)));
}

NativeRepository::NativeRepository(NativeParts parts, native::RepositoryInfo info,
                                   std::string cache_directory)
    : parts_(std::move(parts)),
      info_(std::move(info)),
      cache_directory_(std::move(cache_directory)),
      names_(listing_interval(*parts_.storage)),
      absent_(listing_interval(*parts_.storage)) {}

Result<std::vector<std::string>> NativeRepository::databases() {
  return names_.get([this] { return list_databases(); });
}

Result<std::vector<std::string>> NativeRepository::list_databases() const {
  TRY_ASSIGN(const Listing listing, parts_.storage->list(""));
  using Found = std::optional<std::string>;
  return look_at_each<std::string>(
      *parts_.storage, listing.directories, [&](const std::string& directory) -> Result<Found> {
        // A history that nobody can open now is none that was never there, and nor is one that
        // nobody can look at: opening it says why.
        const auto manifest = parts_.storage->stat(manifest_path(directory));
        bool is_database = manifest || manifest.error().code != Code::kNotFound;
        if (!is_database) {
          TRY_ASSIGN(is_database, lost_its_manifest(*parts_.storage, directory));
        }
        return is_database ? Found(directory) : Found();
      });
}

Result<std::shared_ptr<Database>> NativeRepository::database(const std::string& name) {
  if (!is_plain_name(name) || name.starts_with('.'))
    return Error::not_found(fmt::format("no database {}", printable(name)));
  const auto nothing = [&] {
    return Error::not_found(fmt::format("{} holds no database {}", location(), printable(name)));
  };
  if (absent_.contains(name)) return nothing();
  auto found = databases_.get(name, [&] { return open_database(name); });
  if (found || found.error().code != Code::kNotFound) return found;
  TRY_ASSIGN(const bool lost, lost_its_manifest(*parts_.storage, name));
  if (lost)
    return Error::corrupt(fmt::format("{}: missing, while the segments it names are there",
                                      parts_.storage->describe(manifest_path(name))));
  absent_.add(name);
  return nothing();
}

Result<std::shared_ptr<StoredDatabase>> NativeRepository::open_database(
    const std::string& name) const {
  TRY_ASSIGN(const StoredCursor cursor, load_cursor(*parts_.storage, name));
  TRY_ASSIGN(StoredManifest stored, load_manifest(*parts_.storage, name));
  if (stored.manifest.engine != native::Engine::kGrafeo)
    return NativeDatabase::open(parts_, name, cursor, std::move(stored));
  return GrafeoDatabase::open(packed_grafeo_parts(parts_, name), packed_grafeo_place(name));
}

CacheCounters NativeRepository::cache_counters() const {
  const BlockCache::Counters cache = parts_.cache->counters();
  CacheCounters counters{cache.hits, cache.misses, cache.bytes_held, cache.bytes_max, 0};
  for (const auto& database : databases_.held())
    counters.bytes_read += database->stored_bytes_read();
  if (parts_.disk_cache) {
    counters.disk_hits = parts_.disk_cache->counters().hits;
    counters.disk_misses = parts_.disk_cache->counters().misses;
  }
  return counters;
}

}  // namespace epochfs::engine
