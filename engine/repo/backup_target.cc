#include "engine/repo/backup_target.h"

#include <fmt/format.h>

#include <filesystem>

#include "engine/core/text.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kCacheBytes = 64ULL * 1024 * 1024;

std::string default_name(const std::string& path) {
  const std::filesystem::path file = std::filesystem::path(path).filename();
  const std::string stem = file.stem().string();
  return stem.empty() ? file.string() : stem;
}

Result<void> make_repository(const std::string& location, const Storage& storage) {
  auto made = init_repository(location);
  // Two first backups at once: whoever came first made it.
  if (!made && made.error().code == Code::kExists &&
      storage.stat(std::string(native::kRepositoryFile)))
    return {};
  return made;
}

}  // namespace

Result<std::string> database_name(const std::string& wanted, const std::string& path) {
  std::string name = wanted.empty() ? default_name(path) : wanted;
  // With a '#' or '@' in it no command could name it: these stand before names and selectors.
  if (!is_plain_name(name) || name.starts_with('.') || printable(name) != name ||
      name.find_first_of("#@") != std::string::npos)
    return Error::invalid(
        fmt::format("'{}' cannot name a database: choose another with --name", printable(name)));
  return name;
}

Result<void> check_file_name(const std::string& name) {
  native::Manifest manifest;
  manifest.database = manifest.file_name = name;
  manifest.revision = 1;
  const auto read = native::parse_manifest(as_bytes(native::encode_manifest(manifest)));
  if (read && read->file_name == name) return {};
  return Error::invalid(
      fmt::format("'{}': no repository can hold a file of this name (UTF-8 without control "
                  "characters and backslashes): rename it, or name a link to it",
                  printable(name)));
}

Result<std::shared_ptr<NativeRepository>> open_target(const std::string& location,
                                                      const std::string& cache_directory,
                                                      bool make) {
  TRY_ASSIGN(const auto storage, open_storage(location));
  const auto present = storage->stat(std::string(native::kRepositoryFile));
  if (!present && present.error().code != Code::kNotFound) return tl::unexpected(present.error());
  if (!present && !make) return std::shared_ptr<NativeRepository>();
  if (!present) TRY(make_repository(location, *storage));
  return NativeRepository::open(RepositoryOptions{location, cache_directory, kCacheBytes});
}

}  // namespace epochfs::engine
