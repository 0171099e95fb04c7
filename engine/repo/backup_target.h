// Where a backup goes in a repository of ours: the names that it may have there, and the repository
// itself, made on first use.
#pragma once

#include <memory>
#include <string>

#include "engine/repo/native_database.h"
#include "engine/repo/operations.h"

namespace epochfs::engine {

// What was asked for, else the file's name without its last extension. kInvalid: it cannot be one.
Result<std::string> database_name(const std::string& wanted, const std::string& path);
// A name that comes back out of a manifest as another, or not at all, must be refused before
// anything is stored under it. kInvalid.
Result<void> check_file_name(const std::string& name);

// nullptr: there is none, and `make` is false.
Result<std::shared_ptr<NativeRepository>> open_target(const std::string& location,
                                                      const std::string& cache_directory,
                                                      bool make);

}  // namespace epochfs::engine
