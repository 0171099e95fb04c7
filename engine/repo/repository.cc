#include "engine/repo/repository.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "engine/core/text.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/native_database.h"
#include "engine/storage/local_storage.h"

namespace epochfs::engine {
namespace {

std::string temporary_cache_directory() { return fmt::format("/tmp/epochfs-{}", ::geteuid()); }

std::string canonical(const std::string& location) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(location, error);
  return error ? location : path.string();
}

// Private to a place and an identity: a copy of a repository elsewhere, or a stranger that claims
// the same identity, has an index of its own.
std::string index_directory(const std::string& cache, const std::string& location,
                            const std::string& id) {
  const Sha256Digest digest = Sha256::of(as_bytes(fmt::format("{}\n{}", canonical(location), id)));
  return fmt::format("{}/{}", cache, to_hex(ByteView(digest).first(16)));
}

Result<std::shared_ptr<PageIndex>> open_index(const RepositoryOptions& options,
                                              const std::string& id, PageIndex::Kind kind,
                                              std::string& directory) {
  const bool chosen = !options.cache_directory.empty();
  const std::string cache = chosen ? options.cache_directory : default_cache_directory();
  directory = index_directory(cache, options.location, id);
  auto index = PageIndex::open(directory, kind);
  if (index || chosen) return index;
  // A home directory that is missing or read-only must not keep anybody from his data.
  directory = index_directory(temporary_cache_directory(), options.location, id);
  auto fallback = PageIndex::open(directory, kind);
  return fallback ? std::move(fallback) : std::move(index);
}

}  // namespace

std::string default_cache_directory() {
  const auto from = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr && value[0] == '/' ? value : "";
  };
  if (std::string own = from("EPOCHFS_CACHE_DIR"); !own.empty()) return own;
  if (const std::string cache = from("XDG_CACHE_HOME"); !cache.empty()) return cache + "/epochfs";
  if (const std::string home = from("HOME"); !home.empty()) return home + "/.cache/epochfs";
  return temporary_cache_directory();
}

Result<std::shared_ptr<NativeRepository>> NativeRepository::open(const RepositoryOptions& options,
                                                                 PageIndex::Kind index_kind) {
  std::shared_ptr<Storage> storage = open_local_storage(options.location);
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
  std::string directory;
  TRY_ASSIGN(std::shared_ptr<PageIndex> index, open_index(options, info.id, index_kind, directory));
  NativeParts parts{std::move(storage), std::move(index),
                    std::make_shared<BlockCache>(options.cache_bytes),
                    std::make_shared<ReadAhead>(std::max(2U, std::thread::hardware_concurrency()))};
  return std::shared_ptr<NativeRepository>(
      new NativeRepository(std::move(parts), std::move(info), std::move(directory)));
}

Result<std::shared_ptr<Repository>> Repository::open(const RepositoryOptions& options) {
  return NativeRepository::open(options);
}

Result<std::vector<std::string>> NativeRepository::databases() {
  TRY_ASSIGN(const Listing listing, parts_.storage->list(""));
  std::vector<std::string> names;
  for (const std::string& directory : listing.directories) {
    if (parts_.storage->stat(manifest_path(directory))) names.push_back(directory);
  }
  return names;
}

Result<std::shared_ptr<Database>> NativeRepository::database(const std::string& name) {
  if (!is_plain_name(name)) return Error::not_found(fmt::format("no database {}", printable(name)));
  const std::lock_guard lock(mutex_);
  if (auto existing = databases_[name].lock()) return existing;
  auto opened = NativeDatabase::open(parts_, name);
  if (!opened && opened.error().code == Code::kNotFound)
    return Error::not_found(fmt::format("{} holds no database {}", location(), printable(name)));
  if (!opened) return tl::unexpected(std::move(opened).error());
  databases_[name] = *opened;
  return *std::move(opened);
}

CacheCounters NativeRepository::cache_counters() const {
  const BlockCache::Counters cache = parts_.cache->counters();
  CacheCounters counters{cache.hits, cache.misses, cache.bytes_held, cache.bytes_max, 0};
  const std::lock_guard lock(mutex_);
  for (const auto& [name, weak] : databases_) {
    if (const auto database = weak.lock())
      counters.bytes_read += database->source()->stored_bytes_read();
  }
  return counters;
}

}  // namespace epochfs::engine
