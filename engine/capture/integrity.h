// What SQLite itself says of a database file.
#pragma once

#include <string>

#include "engine/core/error.h"

namespace epochfs::engine {

// PRAGMA integrity_check of a file that nobody writes to; nothing beside it is looked at, and
// nothing is written. kCorrupt: what it finds first.
Result<void> check_integrity(const std::string& path);

}  // namespace epochfs::engine
