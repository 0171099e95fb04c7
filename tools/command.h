// The commands: what each is called, what it takes, what it does.
//
// To add one: a file with its declare function, and a row in the table in command.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

#include "tools/context.h"
#include "tools/exit_code.h"
#include "tools/outcome.h"

namespace epochfs::tools {

// Runs after the command line was understood; how it ends when nothing failed.
using Action = std::function<Outcome<ExitCode>(const Context&)>;

struct Command {
  const char* name;
  const char* summary;
  Action (*declare)(CLI::App& app);  // adds arguments, options and examples to `app`
};

std::span<const Command> commands() noexcept;

// Of an option whose empty value would mean that it was not given, as in `--since "$UNSET"`.
inline std::string not_empty(const std::string& value) {
  return value.empty() ? "a value is missing" : "";
}

Action declare_init(CLI::App& app);
Action declare_backup(CLI::App& app);
Action declare_import(CLI::App& app);
Action declare_export(CLI::App& app);
Action declare_copy(CLI::App& app);
Action declare_mount(CLI::App& app);
Action declare_umount(CLI::App& app);
Action declare_restore(CLI::App& app);
Action declare_log(CLI::App& app);
Action declare_info(CLI::App& app);
Action declare_verify(CLI::App& app);
Action declare_diff(CLI::App& app);
Action declare_doctor(CLI::App& app);
Action declare_version(CLI::App& app);

}  // namespace epochfs::tools
