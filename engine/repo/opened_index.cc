#include "engine/repo/opened_index.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "engine/storage/s3_location.h"
#include "engine/storage/s3_settings.h"

namespace epochfs::engine {
namespace {

std::string temporary_cache_directory() { return fmt::format("/tmp/epochfs-{}", ::geteuid()); }

std::string directory_of(const std::string& cache, const std::string& identity) {
  const Sha256Digest digest = Sha256::of(as_bytes(identity));
  return fmt::format("{}/{}", cache, to_hex(ByteView(digest).first(16)));
}

// Empty: Amazon's, where a bucket's name is nobody else's, or not in a store at all. Settings of
// which nothing can be made open no storage either.
std::string store_of(const std::string& location) {
  if (!is_s3_location(location)) return {};
  const auto endpoint = resolve_s3_endpoint(location, process_surroundings());
  return endpoint && endpoint->source != kDefaultSource ? endpoint->value : std::string();
}

}  // namespace

std::string place_directory_of_any_store(const std::string& cache, const std::string& location,
                                         const std::string& id) {
  return directory_of(cache, fmt::format("{}\n{}", canonical_location(location), id));
}

std::string place_directory(const std::string& cache, const std::string& location,
                            const std::string& id) {
  const std::string store = store_of(location);
  if (store.empty()) return place_directory_of_any_store(cache, location, id);
  return directory_of(cache, fmt::format("{}\n{}\n{}", store, canonical_location(location), id));
}

std::vector<std::string> cache_directories(const std::string& chosen) {
  if (!chosen.empty()) return {chosen};
  std::vector<std::string> directories{default_cache_directory()};
  // A home directory that is missing or read-only must not keep anybody from his data.
  if (directories.front() != temporary_cache_directory())
    directories.push_back(temporary_cache_directory());
  return directories;
}

Result<void> claim_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error::from_errno(errno, "create " + path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return Error::from_errno(errno, "look at " + path);
  if (S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 077U) == 0)
    return {};
  return Error::io(path + " is not a directory of this user alone: name another with --cache-dir");
}

Result<void> claim_cache_directory(const std::string& cache) {
  return cache == temporary_cache_directory() ? claim_directory(cache) : Result<void>();
}

std::string canonical_location(const std::string& location) {
  if (const auto place = parse_s3_location(location)) return place->text();
  std::error_code error;
  // What is not there yet stays relative otherwise.
  const auto absolute = std::filesystem::absolute(location, error);
  if (error) return location;
  const auto path = std::filesystem::weakly_canonical(absolute, error);
  return error ? location : path.string();
}

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

Result<OpenedIndex> open_index(const RepositoryOptions& options, const std::string& id,
                               PageIndex::Kind kind) {
  std::optional<Error> failure;
  for (const std::string& cache : cache_directories(options.cache_directory)) {
    std::string directory = place_directory(cache, options.location, id);
    auto index =
        claim_cache_directory(cache).and_then([&] { return PageIndex::open(directory, kind); });
    if (index) return OpenedIndex{*std::move(index), std::move(directory)};
    if (!failure) failure = std::move(index).error();
  }
  return tl::unexpected(*std::move(failure));
}

}  // namespace epochfs::engine
