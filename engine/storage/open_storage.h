// The storage of a location as people write it.
#pragma once

#include <memory>
#include <string>

#include "engine/storage/storage.h"

namespace epochfs::engine {

// "s3://bucket/prefix" in an object store, with the settings of this process's surroundings
// (s3_settings.h says which); anything else is a path. Asks nothing of the storage yet.
// kInvalid, kIo: as resolve_s3_settings().
Result<std::shared_ptr<Storage>> open_storage(const std::string& location);

}  // namespace epochfs::engine
