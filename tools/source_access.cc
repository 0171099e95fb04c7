#include "tools/source_access.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "engine/core/time.h"

namespace epochfs::tools {
namespace {

using engine::Code;

std::string epochs_there(const OpenDatabase& open) {
  const auto newest = open.timeline->newest_epochs(1);
  if (!newest || newest->empty()) return "a first backup: the database has no epochs yet";
  const auto oldest = open.timeline->list(engine::Epoch(0), 1);
  if (!oldest || oldest->empty()) return {};
  return fmt::format(
      "an epoch from {} ({}) to {} ({}); `epochfs log {}#{}` lists them",
      oldest->front().epoch.get(), engine::format_utc_millis(oldest->front().committed),
      newest->front().epoch.get(), engine::format_utc_millis(newest->front().committed),
      open.repository->location(), open.database->name());
}

}  // namespace

engine::Result<engine::Source> parse_place(std::string_view text) {
  TRY_ASSIGN(engine::Source source, engine::parse_source(text));
  if (!source.selector.empty())
    return engine::Error::invalid(
        fmt::format("{}: takes no @SELECTOR: it is about all epochs", text));
  return source;
}

Outcome<std::shared_ptr<engine::Repository>> open_repository(const Context& context,
                                                             const engine::Source& source) {
  engine::RepositoryOptions options;
  options.location = source.location;
  options.cache_directory = context.cache_directory;
  TRY_ASSIGN(auto repository, engine::Repository::open(options));
  context.detail(fmt::format("repository {}, id {}, cache {}", repository->location(),
                             repository->id(), repository->cache_directory()));
  return repository;
}

std::string databases_there(engine::Repository& repository) {
  const auto names = repository.databases();
  if (!names || names->empty()) return {};
  std::string text = "one of";
  for (const std::string& name : *names) text += fmt::format(" {}#{}", repository.location(), name);
  return text;
}

Outcome<OpenDatabase> open_database(const Context& context, const engine::Source& source) {
  OpenDatabase open;
  TRY_ASSIGN(open.repository, open_repository(context, source));
  TRY_ASSIGN(open.database,
             with_hint(engine::select_database(*open.repository, source), Code::kNotFound,
                       [&] { return databases_there(*open.repository); }));
  TRY_ASSIGN(open.timeline, open.database->timeline());
  return open;
}

Outcome<engine::native::EpochFacts> choose_epoch(const OpenDatabase& open,
                                                 std::string_view selector) {
  return with_hint(engine::select_epoch(*open.timeline, selector), Code::kNoSuchEpoch,
                   [&] { return epochs_there(open); });
}

}  // namespace epochfs::tools
