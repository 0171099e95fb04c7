#include <fmt/format.h>

#include <memory>
#include <string>

#include "engine/repo/operations.h"
#include "tools/command.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

Outcome<ExitCode> run_init(const std::string& place, const Context& context) {
  TRY_ASSIGN(const engine::Source source, parse_place(place));
  if (!source.database.empty())
    return engine::Error::invalid(
        fmt::format("{}: an empty repository has no databases yet", place));
  TRY(engine::init_repository(source.location));
  context.note(fmt::format("empty repository in {}", source.location));
  return ExitCode::kDone;
}

}  // namespace

Action declare_init(CLI::App& app) {
  const auto place = std::make_shared<std::string>();
  app.description("Makes an empty repository in a new or empty directory.");
  app.add_option("REPO", *place, "where")->required();
  app.footer(
      "`epochfs backup` does this by itself when it finds nothing there.\n\n"
      "Example:\n"
      "  epochfs init /backups");
  return [place](const Context& context) { return run_init(*place, context); };
}

}  // namespace epochfs::tools
