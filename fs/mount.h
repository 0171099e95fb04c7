// Mounting a repository, and taking the mount away.
//
// Errors    kInvalid: options or mount point that make no sense · kNoRepository, kNotFound,
// kUnsupported: as
//           Repository::open · kMount: the kernel or fusermount refused, with what to do about it
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/repo/repository.h"

namespace epochfs::fs {

struct MountOptions {
  std::string source;  // REPO or REPO#db
  std::string mountpoint;
  std::string cache_directory;  // empty: the user's
  std::uint64_t cache_bytes = 256ULL * 1024 * 1024;
  bool foreground = false;
  bool allow_other = false;
  std::string log_file;  // background only; empty: mount.log in the repository's cache directory
};

// Reads what mount(8) and fstab pass after -o: `cache=64M`, `cache_dir=DIR`, `allow_other`,
// `log=FILE`; `ro`, `nosuid`, `nodev`, `noexec`, `noauto`, `user`, `_netdev`, `defaults`, `x-*` and
// `nofail` are accepted and mean what they always mean here. kInvalid names an unknown one, and
// `rw`.
engine::Result<void> apply_mount_option_list(std::string_view comma_list, MountOptions& options);

// Foreground: serves until unmounted or SIGINT/SIGTERM. Background: returns when the tree answers,
// in the process that called; a child of it serves on. A failure to mount is the result of this
// call in both.
engine::Result<void> mount(const MountOptions& options);

// Also a mount whose daemon is dead. kNotFound: nothing of ours is mounted there. kBusy: in use
// (`lazy` detaches anyway). Returns when the kernel has let go of it.
engine::Result<void> unmount(const std::string& mountpoint, bool lazy);

}  // namespace epochfs::fs
