// Whether a directory may become a mount point.
#pragma once

#include <string>

#include "engine/core/error.h"
#include "engine/core/handle.h"

namespace epochfs::fs {

// `path` absolute and without links, as the kernel's mount table has it. Works for a mount point
// whose daemon is dead. kNotFound: it does not exist. kInvalid: the empty name.
engine::Result<std::string> resolve_mountpoint(const std::string& path);

// An existing directory, resolved. Takes away mounts of ours whose process is dead, with a warning.
// Warns when it is not empty: what is in it is hidden, not lost. kInvalid: not a directory. kMount:
// one of ours is mounted there, and its process lives.
engine::Result<std::string> check_mountpoint(const std::string& path);

// The right to mount on a checked mount point, until it is closed: two that mount at once take
// turns, and the second one is refused. Empty where directories cannot be locked. kMount: one of
// ours is mounted there by now.
engine::Result<engine::UniqueFd> claim_mountpoint(const std::string& mountpoint);

// Refuses a mount point inside, above or equal to `directory`: the mount would show itself, or hide
// what it is made of. `what` names the directory's role. A URL is nowhere near.
engine::Result<void> check_apart(const std::string& mountpoint, const std::string& directory,
                                 const std::string& what);

}  // namespace epochfs::fs
