// Any single file, compared block by block.
#pragma once

#include "engine/capture/snapshot.h"

namespace epochfs::engine {

inline constexpr std::uint32_t kFileBlockBytes = 16384;  // the page size of engine `file`

// `path` is resolved. Waits until the file was left alone for a moment; kBusy: it never is.
Result<std::unique_ptr<Snapshot>> open_file_snapshot(const std::string& path,
                                                     const SnapshotOptions& options);

}  // namespace epochfs::engine
