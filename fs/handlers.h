// What the kernel may ask of the mount. Each handler unpacks, asks the tree, and answers once;
// whatever would change something answers EROFS.
//
// The session's user data is the Filesystem.
#pragma once

#include "fs/filesystem.h"
#include "fs/fuse_api.h"

namespace epochfs::fs {

const fuse_lowlevel_ops& handlers() noexcept;

}  // namespace epochfs::fs
