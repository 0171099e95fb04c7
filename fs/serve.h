// The life of one mount over any repository; mount() is this with the one that the options name.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/repo/repository.h"
#include "fs/mount.h"

namespace epochfs::fs {

using OpenRepository = std::function<engine::Result<std::shared_ptr<engine::Repository>>()>;

// As mount(), but for what `options` says of the repository: `open` opens it, in the process that
// serves and before anything is mounted; `database` alone is shown, or all if it is empty.
engine::Result<void> serve_repository(const MountOptions& options, const std::string& database,
                                      const OpenRepository& open);

}  // namespace epochfs::fs
