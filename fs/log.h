// Where a mount says what happens to it: the process's log, which the engine writes to as well.
#pragma once

#include <string>

#include "engine/core/error.h"

namespace epochfs::fs {

void log_to_stderr();
// Keeps a few files of a bounded size. What others than the logger say on stderr goes there, too.
// kIo: the file cannot be written.
engine::Result<void> log_to_file(const std::string& path);

}  // namespace epochfs::fs
