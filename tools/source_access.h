// What the source on a command line names, opened; failures come with advice.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/repo/repository.h"
#include "tools/context.h"
#include "tools/outcome.h"

namespace epochfs::tools {

struct OpenDatabase {
  std::shared_ptr<engine::Repository> repository;
  std::shared_ptr<engine::Database> database;
  std::shared_ptr<const engine::Timeline> timeline;
};

// `REPO` or `REPO#db`, for commands that are not about one epoch. kInvalid: it has an @SELECTOR.
engine::Result<engine::Source> parse_place(std::string_view text);

// What a database is to be called by `--name` or by `REPO#NAME`; empty: neither says. kInvalid:
// they say different things.
engine::Result<std::string> chosen_name(std::string_view command, const std::string& option,
                                        const engine::Source& place);

Outcome<std::shared_ptr<engine::Repository>> open_repository(const Context& context,
                                                             const engine::Source& source);
// Advice for a database that is not there.
std::string look_at_databases(const engine::Source& source);
// kInvalid: `path` lies in the repository at `location`, which is for what the repository is made
// of.
engine::Result<void> check_outside(const std::string& location, const std::string& path,
                                   std::string_view what);

Outcome<OpenDatabase> open_database(const Context& context, const engine::Source& source);
Outcome<engine::native::EpochFacts> choose_epoch(const OpenDatabase& open,
                                                 std::string_view selector);

}  // namespace epochfs::tools
