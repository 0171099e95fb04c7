// The system calls of local storage, their traps handled once: interruption, short transfers,
// symlinks, files that are none.
//
// Errors    `what` names the object in the text. ENOENT and ENOTDIR are kNotFound, a symlink or
//           anything else that is no regular file kCorrupt, the rest as Error::from_errno says
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "engine/core/bytes.h"
#include "engine/core/error.h"
#include "engine/core/handle.h"

namespace epochfs::engine::local {

// A repository may hold what only the owner of a database may read; whoever shares it says so with
// chmod.
inline constexpr mode_t kPrivateFile = 0600;
inline constexpr mode_t kPrivateDirectory = 0700;

// A directory by its path, for looking up names in it only. Here symlinks are followed: the path
// comes from the user.
Result<UniqueFd> open_root(const std::string& path, const std::string& what);
// `name` (relative, "." is the directory itself) below `directory`, never outside and never through
// a symlink. Opening never waits (for a FIFO's other end, say).
Result<UniqueFd> open_beneath(const UniqueFd& directory, const std::string& name, int flags,
                              const std::string& what);
// The directory `name` ("" is the root) below `root`, ready for sync_directory(); it and its
// parents, those of the root too, are created where they are missing, durably.
Result<UniqueFd> make_directories(const std::string& root, std::string_view name,
                                  const std::string& what);

// Status of an open file. kCorrupt: not a regular file; kNotFound: a directory.
Result<struct stat> status_of_regular(const UniqueFd& file, const std::string& what);
// ObjectInfo::version of a file with this status.
std::string version_of(const struct stat& status);

// Fills `out` from `offset` on. kIo: the file ends before.
Result<void> read_exactly(const UniqueFd& file, std::uint64_t offset, MutableByteView out,
                          const std::string& what);
Result<void> write_all(const UniqueFd& file, ByteView bytes, const std::string& what);
Result<void> sync_file(const UniqueFd& file, const std::string& what);
Result<void> sync_directory(const UniqueFd& directory, const std::string& what);
// Waits until no other process or thread changes names in the directory under this lock, which ends
// with the descriptor.
Result<void> lock_directory(const UniqueFd& directory, const std::string& what);

// `flock` that outlasts signals; the errno, 0 for success.
int lock_file(const UniqueFd& file, int operation) noexcept;

}  // namespace epochfs::engine::local
