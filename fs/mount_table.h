// What is mounted where, as the kernel tells it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::fs {

inline constexpr std::string_view kFilesystemType = "fuse.epochfs";

struct MountedPlace {
  std::string device;  // "0:50", as files there tell it
  std::string mountpoint;
  std::string type;
  std::string source;
};

// Lines of /proc/self/mountinfo; one that cannot be read is left out.
std::vector<MountedPlace> parse_mount_table(std::string_view mountinfo);
engine::Result<std::vector<MountedPlace>> mount_table();
// What one sees at `mountpoint` (absolute, without links): the last that was mounted there.
engine::Result<std::optional<MountedPlace>> mounted_at(const std::string& mountpoint);

}  // namespace epochfs::fs
