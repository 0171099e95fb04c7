// The command under the names by which mount(8) calls it: mount.epochfs and mount.fuse.epochfs.
//
//   mount.epochfs SOURCE MNT [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace epochfs::tools {

// Is that (argv[0], with or without a path) one of these names?
bool is_mount_helper(std::string_view program) noexcept;

// Returns what mount(8) wants to hear: 0 mounted, 1 wrong words, 2 not possible here, 32 failed.
int run_mount_helper(const std::vector<std::string>& arguments);

}  // namespace epochfs::tools
