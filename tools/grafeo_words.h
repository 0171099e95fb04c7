// What the commands about backups of Grafeo's own have in common: the names of its formats, and
// what they say of histories that were copied.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/repo/grafeo_transfer.h"
#include "tools/context.h"
#include "tools/exit_code.h"
#include "tools/outcome.h"

namespace epochfs::tools {

// nullopt: empty. kInvalid: no such format.
engine::Result<std::optional<engine::grafeo::Generation>> format_from(std::string_view command,
                                                                      const std::string& name);

// For people, or as one JSON document.
Outcome<ExitCode> tell(std::string_view command, const engine::TransferReport& report, bool json,
                       const Context& context);

}  // namespace epochfs::tools
