// Where a mount says what happens to it: the process's log, which the engine writes to as well.
#pragma once

#include <string>

#include "engine/core/error.h"

namespace epochfs::fs {

void log_to_stderr();
// Keeps a few files of a bounded size. kIo: the file cannot be written.
engine::Result<void> log_to_file(const std::string& path);
// What others than the logger say on stderr goes to that file, too, as far as it can be opened.
void send_stderr_to(const std::string& path);

}  // namespace epochfs::fs
