#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>

#include "engine/core/handle.h"
#include "engine/core/text.h"
#include "fs/mount.h"
#include "fs/mount_point.h"
#include "fs/mount_table.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;
using engine::UniqueFd;

namespace {

engine::Failure busy(const std::string& mountpoint) {
  const std::string shown = engine::printable(mountpoint);
  if (const auto places = mount_table())
    for (const MountedPlace& place : *places)
      if (place.mountpoint.starts_with(mountpoint + "/"))
        return Error::busy(fmt::format("{} is in use: {} is mounted in it", shown,
                                       engine::printable(place.mountpoint)));
  return Error::busy(fmt::format(
      "{} is in use: a program has a file open there, or works in it (`fuser -vm {}` shows which); "
      "a lazy unmount detaches it all the same",
      shown, shown));
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 1024> buffer{};
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

class SpawnActions {
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// What an ordinary user has: fusermount3 unmounts what this user has mounted.
Result<void> unmount_as_user(std::string mountpoint, bool lazy) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  SpawnActions actions;
  ::posix_spawn_file_actions_adddup2(actions.get(), input.get(), STDERR_FILENO);

  std::string command = "fusermount3";
  std::string flags = lazy ? "-uz" : "-u";
  std::string end_of_flags = "--";
  std::string plain_messages = "LC_ALL=C";
  std::array arguments = {command.data(), flags.data(), end_of_flags.data(), mountpoint.data(),
                          static_cast<char*>(nullptr)};
  std::array environment = {plain_messages.data(), static_cast<char*>(nullptr)};
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, command.c_str(), actions.get(), nullptr,
                                     arguments.data(), environment.data());
  if (failure == ENOENT) return Error::mount("fusermount3 is not there; package fuse3 has it");
  if (failure != 0) return Error::mount(Error::from_errno(failure, command).value().text);
  input.reset();
  std::string message = read_all(output.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (message.find("busy") != std::string::npos) return busy(mountpoint);
  while (message.ends_with('\n')) message.pop_back();
  return Error::mount(fmt::format("cannot unmount {}: {}", mountpoint, engine::printable(message)));
}

}  // namespace

Result<void> unmount(const std::string& mountpoint, bool lazy) {
  TRY_ASSIGN(const std::string resolved, resolve_mountpoint(mountpoint));
  const std::string shown = engine::printable(resolved);
  TRY_ASSIGN(const auto place, mounted_at(resolved));
  if (!place || place->type != kFilesystemType)
    return Error::not_found(fmt::format("nothing is mounted on {} by epochfs", shown));
  if (::umount2(resolved.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return {};
  if (errno == EPERM) return unmount_as_user(resolved, lazy);
  if (errno == EBUSY) return busy(resolved);
  return Error::mount(Error::from_errno(errno, "cannot unmount " + shown).value().text);
}

}  // namespace epochfs::fs
