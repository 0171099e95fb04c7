#include "fs/mount_point.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "engine/core/text.h"
#include "fs/mount_table.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;
namespace files = std::filesystem;

namespace {

files::path without_trailing_slash(const files::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

// Whether `inner` is `outer` or lies below it; both absolute and without links.
bool contains(const files::path& outer, const files::path& inner) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

Result<std::string> resolve_mountpoint(const std::string& path) {
  std::error_code failure;
  const files::path whole = files::canonical(path, failure);
  if (!failure) return whole.string();
  if (failure != std::errc::not_connected)
    return Error::from_errno(failure.value(), engine::printable(path));
  // A dead mount cannot be looked at, the directory it is in can.
  const files::path last = without_trailing_slash(files::absolute(path));
  const files::path parent = files::canonical(last.parent_path(), failure);
  if (failure) return Error::from_errno(failure.value(), engine::printable(path));
  return (parent / last.filename()).string();
}

Result<std::string> check_mountpoint(const std::string& path) {
  const std::string shown = engine::printable(path);
  const auto resolved = resolve_mountpoint(path);
  if (!resolved) return Error::invalid("mount point " + resolved.error().text);
  // Before anything is asked of the place itself: its process may be dead.
  TRY_ASSIGN(const auto place, mounted_at(*resolved));
  if (place && place->type == kFilesystemType)
    return Error::mount(fmt::format("{} is mounted on {} already; `epochfs umount {}` comes first",
                                    engine::printable(place->source), shown, shown));
  struct stat status {};
  if (::stat(resolved->c_str(), &status) != 0)
    return Error::invalid(Error::from_errno(errno, "mount point " + shown).value().text);
  if (!S_ISDIR(status.st_mode))
    return Error::invalid(fmt::format("mount point {}: not a directory", shown));
  std::error_code failure;
  if (!files::is_empty(*resolved, failure) && !failure)
    spdlog::warn("{} is not empty: what is in it is hidden while the mount is there", shown);
  return *resolved;
}

Result<void> check_apart(const std::string& mountpoint, const std::string& directory,
                         const std::string& what) {
  if (directory.empty() || directory.find("://") != std::string::npos) return {};
  std::error_code failure;
  const files::path place = without_trailing_slash(files::weakly_canonical(directory, failure));
  if (failure) return {};  // whoever opens it says why it cannot be looked at
  const files::path here(mountpoint);
  const std::string_view relation = here == place           ? "is"
                                    : contains(place, here) ? "lies in"
                                    : contains(here, place) ? "lies above"
                                                            : "";
  if (relation.empty()) return {};
  return Error::invalid(fmt::format("mount point {} {} the {} {}; choose a directory elsewhere",
                                    engine::printable(mountpoint), relation, what,
                                    engine::printable(place.string())));
}

}  // namespace epochfs::fs
