#include "fs/mount_point.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "engine/core/text.h"
#include "fs/mount.h"
#include "fs/mount_table.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;
using engine::UniqueFd;
namespace files = std::filesystem;

namespace {

// Whoever looks behind the slash in `place/` or `place/.` asks its server.
files::path without_trailing_slash(files::path path) {
  while (path.has_relative_path() && (!path.has_filename() || path.filename() == "."))
    path = path.parent_path();
  return path;
}

// Whether `inner` is `outer` or lies below it; both absolute and without links.
bool contains(const files::path& outer, const files::path& inner) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

enum class Server { kAnswers, kSilent, kDead };

constexpr std::chrono::seconds kPatience(3);

// What has become of the server of a mount. Asked by a process of its own: one that is stopped
// keeps whoever asks it waiting, and not even SIGKILL ends that.
Result<Server> server_of(const std::string& mountpoint) {
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "fork");
  if (child == 0) {
    // The kernel passes on every question about such a name, also one by somebody who may see
    // nothing else there, and the answer takes no look at the storage.
    const ssize_t size = ::lgetxattr(mountpoint.c_str(), "system.epochfs.ping", nullptr, 0);
    ::_exit(size < 0 && errno == ENOTCONN ? 1 : 0);
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      ::kill(child, SIGKILL);
      return Server::kSilent;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? Server::kDead : Server::kAnswers;
}

engine::Failure mounted_already(const MountedPlace& place) {
  const std::string shown = engine::printable(place.mountpoint);
  return Error::mount(fmt::format("{} is mounted on {} already; `epochfs umount {}` comes first",
                                  engine::printable(place.source), shown, shown));
}

// A server that was killed leaves a mount behind that is of no use to anybody.
Result<void> take_dead_mounts_away(const std::string& mountpoint) {
  const std::string shown = engine::printable(mountpoint);
  for (;;) {
    TRY_ASSIGN(const auto place, mounted_at(mountpoint));
    if (!place || place->type != kFilesystemType) return {};
    const std::string source = engine::printable(place->source);
    TRY_ASSIGN(const Server server, server_of(mountpoint));
    if (server == Server::kAnswers) return mounted_already(*place);
    if (server == Server::kSilent)
      return Error::mount(fmt::format(
          "{} is mounted on {} already, and its process does not answer within {} s (its "
          "storage may be slow); `epochfs umount --lazy {}` takes the mount away",
          source, shown, kPatience.count(), shown));
    // Another may have done so meanwhile, and mounted.
    TRY_ASSIGN(const auto now, mounted_at(mountpoint));
    if (!now || now->device != place->device) continue;
    auto unmounted = unmount(mountpoint, true);
    if (!unmounted && unmounted.error().code != engine::Code::kNotFound) return unmounted;
    spdlog::warn("{}: took away what a dead process had left of its mount of {}", shown, source);
  }
}

}  // namespace

Result<std::string> resolve_mountpoint(const std::string& path) {
  // The directory it is in can be looked at, whatever has become of the process that serves the
  // place itself.
  if (path.empty()) return Error::invalid("the empty name");
  std::error_code failure;
  const files::path last = without_trailing_slash(files::absolute(path, failure));
  if (failure) return Error::from_errno(failure.value(), engine::printable(path));
  const files::path parent = files::canonical(last.parent_path(), failure);
  if (!failure) {
    const std::string direct = (parent / last.filename()).string();
    TRY_ASSIGN(const auto place, mounted_at(direct));
    if (place && place->type == kFilesystemType) return direct;
  }
  const files::path whole = files::canonical(last, failure);
  if (failure) return Error::from_errno(failure.value(), engine::printable(path));
  return whole.string();
}

Result<std::string> check_mountpoint(const std::string& path) {
  const std::string shown = engine::printable(path);
  const auto resolved = resolve_mountpoint(path);
  if (!resolved) return Error::invalid("mount point " + resolved.error().text);
  // Before anything is asked of the place itself: its process may be dead.
  TRY(take_dead_mounts_away(*resolved));
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

Result<UniqueFd> claim_mountpoint(const std::string& mountpoint) {
  UniqueFd directory(::open(mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory)
    while (::flock(directory.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
  TRY_ASSIGN(const auto place, mounted_at(mountpoint));
  if (place && place->type == kFilesystemType) return mounted_already(*place);
  return directory;
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
