// Databases that cannot be read live: on a medium that we may not write to, or in need of a
// recovery that would write to them.
#pragma once

#include "engine/capture/still_snapshot.h"

namespace epochfs::engine {

// Reads the file as it stands when it holds the whole state. Otherwise copies it with its journal
// and log to a private directory in `options.temp_directory`, where SQLite recovers it; the
// directory is gone when this returns. kBusy: somebody writes.
Result<StillDatabase> open_without_writing(const std::string& path, const SnapshotOptions& options);

}  // namespace epochfs::engine
