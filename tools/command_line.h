// From words to a command, and from its outcome to an exit code and a message.
#pragma once

#include <string>
#include <vector>

#include "tools/exit_code.h"
#include "tools/outcome.h"

namespace epochfs::tools {

// `arguments` without the program's name.
ExitCode run_command_line(const std::vector<std::string>& arguments);

// Two lines on stderr: what failed, and what to do about it. `command` is empty when it is not
// known.
void tell_failure(const Complaint& complaint, const std::string& command);

}  // namespace epochfs::tools
