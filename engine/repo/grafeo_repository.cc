// GrafeoRepository: one backup directory of Grafeo's, or several below one directory.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/core/text.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/opened_index.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
std::string name_of_directory(const std::string& location) {
  std::string name = std::filesystem::path(canonical_location(location)).filename();
  return check_object_name(name) ? name : "grafeo";
}

Result<std::shared_ptr<GrafeoRepository>> GrafeoRepository::open(const RepositoryOptions& options,
                                                                 PageIndex::Kind index_kind) {
  TRY_ASSIGN(std::shared_ptr<const Storage> storage, open_storage(options.location));
  std::string root_name = name_of_directory(options.location);
  const auto places = find_grafeo_places(*storage, root_name);
  if (!places && places.error().code != Code::kNotFound) return tl::unexpected(places.error());
  if (!places || places->empty())
    return Error::no_repository(
        fmt::format("{} holds no {}", storage->location(), grafeo::kManifestFile));
  TRY_ASSIGN(OpenedIndex opened, open_index(options, "grafeo", index_kind));
  return std::shared_ptr<GrafeoRepository>(
      new GrafeoRepository(GrafeoParts{std::move(storage), std::move(opened.index)},
                           std::move(root_name), std::move(opened.directory)));
}

Result<std::vector<GrafeoPlace>> GrafeoRepository::places() const {
  return find_grafeo_places(*parts_.storage, root_name_);
}

Result<std::vector<std::string>> GrafeoRepository::databases() {
  TRY_ASSIGN(const auto found, places());
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const GrafeoPlace& place : found) names.push_back(place.database);
  return names;
}

Result<std::shared_ptr<Database>> GrafeoRepository::database(const std::string& name) {
  TRY_ASSIGN(const auto found, places());
  const auto place = std::ranges::find(found, name, &GrafeoPlace::database);
  if (place == found.end())
    return Error::not_found(fmt::format("{} holds no database {}", location(), printable(name)));
  return databases_.get(name, [&] { return GrafeoDatabase::open(parts_, *place); });
}

CacheCounters GrafeoRepository::cache_counters() const {
  CacheCounters counters;
  for (const auto& database : databases_.held())
    counters.bytes_read += database->stored_bytes_read();
  return counters;
}

}  // namespace epochfs::engine
