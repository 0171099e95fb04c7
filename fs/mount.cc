#include "fs/mount.h"

#include <filesystem>

#include "fs/serve.h"

namespace epochfs::fs {

using engine::Result;

namespace {

std::string absolute(const std::string& location) {
  if (location.empty() || location.find("://") != std::string::npos) return location;
  std::error_code failure;
  // Names with .. in them stay: behind a link, the directory above is another.
  const std::filesystem::path path = std::filesystem::absolute(location, failure);
  return failure ? location : path.string();  // whoever opens it says why
}

}  // namespace

engine::RepositoryOptions repository_options(const MountOptions& options,
                                             const std::string& location) {
  engine::RepositoryOptions repository;
  repository.location = absolute(location);
  repository.cache_directory = absolute(options.cache_directory);
  repository.with_unproven = options.with_unproven;
  repository.cache_bytes = options.cache_bytes;
  repository.disk_cache_bytes = options.disk_cache_bytes;
  return repository;
}

Result<void> mount(const MountOptions& options) {
  TRY_ASSIGN(const engine::Source source, engine::parse_source(options.source));
  if (!source.selector.empty())
    return engine::Error::invalid("a mount shows all epochs; leave out @" + source.selector);
  if (!options.endpoint_url.empty())
    engine::choose_endpoint_url(options.endpoint_url, "mount option endpoint_url");
  const engine::RepositoryOptions repository = repository_options(options, source.location);
  return serve_repository(options, source.database,
                          [&] { return engine::Repository::open(repository); });
}

}  // namespace epochfs::fs
