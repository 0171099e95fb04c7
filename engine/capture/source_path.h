// Names around a database file.
#pragma once

#include <string>

#include "engine/core/error.h"

namespace epochfs::engine {

std::string last_component(const std::string& path);
std::string directory_of(const std::string& path);  // of an absolute path
// Absolute, without symbolic links: SQLite puts its side files beside the file itself. kNotFound.
Result<std::string> resolve(const std::string& path);
// By us, and its file system is writable.
bool may_write(const std::string& path) noexcept;
bool exists(const std::string& path) noexcept;
// It lies in a filesystem of FUSE's that is mounted for reading only, as epochs are.
bool is_in_read_only_fuse(const std::string& path) noexcept;

// Lets SQLite remove an empty log and its index, when nobody else is connected. For side files that
// exist only because we connected; failures leave them where they are, which is harmless.
void clear_empty_log(const std::string& database_path);

}  // namespace epochfs::engine
