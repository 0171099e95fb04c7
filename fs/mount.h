// Mounting a repository, and taking the mount away.
//
// Errors    kInvalid: options or mount point that make no sense
//           kNoRepository, kNotFound, kUnsupported: as Repository::open
//           kMount: the kernel or fusermount refused, with what to do about it
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/repo/repository.h"

namespace epochfs::fs {

struct MountOptions {
  std::string source;  // REPO or REPO#db
  std::string mountpoint;
  std::string cache_directory;  // empty: the user's
  bool with_unproven = false;   // see engine::RepositoryOptions
  std::uint64_t cache_bytes = 256ULL * 1024 * 1024;
  std::uint64_t disk_cache_bytes = 0;  // as RepositoryOptions has it
  bool foreground = false;
  bool allow_other = false;
  std::string endpoint_url;  // of object stores; empty: as AWS's own tools find it
  std::string log_file;  // background only; empty: mount.log in the repository's cache directory
};

// Reads what mount(8) and fstab pass after -o: `cache=64M`, `cache_dir=DIR`, `allow_other`,
// `log=FILE`, `endpoint_url=URL`, `disk_cache=1G`, `unproven`; `ro`, `nosuid`, `nodev`, `noexec`,
// `noauto`, `user`, `_netdev`, `defaults`, `x-*`, `nofail` and the like are accepted and change
// nothing. So is `rw`, because mount(8) passes it whenever fstab does not say `ro`; the mount is
// read-only all the same. kInvalid names an unknown one.
engine::Result<void> apply_mount_option_list(std::string_view comma_list, MountOptions& options);

// What to open for it. Places are absolute, because the process that serves leaves its working
// directory; no cache directory stays none, so that the repository finds one that can be used.
engine::RepositoryOptions repository_options(const MountOptions& options,
                                             const std::string& location);

// Foreground: serves until unmounted or SIGINT/SIGTERM/SIGHUP. Background: returns when the tree
// answers, in the process that called; another process serves on until it is unmounted or gets
// SIGINT or SIGTERM. A failure to mount is the result of this call in both. On the signal the mount
// is gone for everybody at once; files that are open are served until they are closed or a second
// signal comes. To be called before the process has other threads. Sets the process's log: stderr,
// and in the background process the log file.
engine::Result<void> mount(const MountOptions& options);

// Also a mount whose daemon is dead. kNotFound: nothing of ours is mounted there. kBusy: in use
// (`lazy` detaches anyway). Returns when the kernel has let go of it.
engine::Result<void> unmount(const std::string& mountpoint, bool lazy);

}  // namespace epochfs::fs
