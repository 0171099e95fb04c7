#include "fs/mount.h"

#include <filesystem>

#include "fs/serve.h"

namespace epochfs::fs {

using engine::Result;

namespace {

// The background process leaves its working directory.
std::string absolute(const std::string& location) {
  if (location.empty() || location.find("://") != std::string::npos) return location;
  return std::filesystem::absolute(location).lexically_normal().string();
}

}  // namespace

Result<void> mount(const MountOptions& options) {
  TRY_ASSIGN(const engine::Source source, engine::parse_source(options.source));
  if (!source.selector.empty())
    return engine::Error::invalid("a mount shows all epochs; leave out @" + source.selector);
  engine::RepositoryOptions repository;
  repository.location = absolute(source.location);
  repository.cache_directory =
      absolute(options.cache_directory.empty() ? engine::default_cache_directory()
                                               : options.cache_directory);
  repository.cache_bytes = options.cache_bytes;
  return serve_repository(options, source.database,
                          [&] { return engine::Repository::open(repository); });
}

}  // namespace epochfs::fs
