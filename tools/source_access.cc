#include "tools/source_access.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "engine/core/text.h"

namespace epochfs::tools {

namespace files = std::filesystem;

using engine::Code;

engine::Result<engine::Source> parse_place(std::string_view text) {
  TRY_ASSIGN(engine::Source source, engine::parse_source(text));
  if (!source.selector.empty())
    return engine::Error::invalid(fmt::format(
        "{}: takes no @SELECTOR: it is about all epochs (a directory of that name is {}/)", text,
        text));
  return source;
}

engine::Result<std::string> chosen_name(std::string_view command, const std::string& option,
                                        const engine::Source& place) {
  if (option.empty()) return place.database;
  if (place.database.empty() || place.database == option) return option;
  return engine::Error::invalid(fmt::format("{}: two names: --name {} and {}#{}", command, option,
                                            place.location, place.database));
}

engine::Result<void> check_outside(const std::string& location, const std::string& path,
                                   std::string_view what) {
  if (path.empty() || location.find("://") != std::string::npos ||
      path.find("://") != std::string::npos)
    return {};
  std::error_code failure;
  const files::path repository = files::weakly_canonical(location, failure);
  const files::path place = files::weakly_canonical(path, failure);
  if (failure) return {};  // whoever opens it says why it cannot be looked at
  const std::string inside = (repository / "").string();
  if (!(place / "").string().starts_with(inside)) return {};
  return engine::Error::invalid(fmt::format("{} {} lies in the repository {}; choose one elsewhere",
                                            what, engine::printable(path),
                                            engine::printable(location)));
}

Outcome<std::shared_ptr<engine::Repository>> open_repository(const Context& context,
                                                             const engine::Source& source) {
  TRY(check_outside(source.location, context.cache_directory, "the cache directory"));
  engine::RepositoryOptions options;
  options.location = source.location;
  options.cache_directory = context.cache_directory;
  options.with_unproven = context.with_unproven;
  TRY_ASSIGN(auto repository, engine::Repository::open(options));
  const std::string& id = repository->id();
  context.detail(fmt::format("repository {}, id {}, cache {}", repository->location(),
                             id.empty() ? "none" : id, repository->cache_directory()));
  return repository;
}

std::string look_at_databases(const engine::Source& source) {
  return fmt::format("`epochfs info {}` lists the databases", source.location);
}

Outcome<OpenDatabase> open_database(const Context& context, const engine::Source& source) {
  OpenDatabase open;
  TRY_ASSIGN(open.repository, open_repository(context, source));
  TRY_ASSIGN(open.database, with_hint(engine::select_database(*open.repository, source),
                                      Code::kNotFound, [&] { return look_at_databases(source); }));
  TRY_ASSIGN(open.timeline, open.database->timeline());
  // Whoever asks for the newest epoch must not take an older one for it.
  if (const std::size_t problems = open.timeline->problem_count(); problems > 0)
    context.warn(fmt::format(
        "{}: {} cannot be used, so epochs may be missing; `epochfs info {}` tells which",
        engine::printable(open.database->name()), engine::counted(problems, "object"),
        source.location));
  return open;
}

Outcome<engine::native::EpochFacts> choose_epoch(const OpenDatabase& open,
                                                 std::string_view selector) {
  return with_hint(engine::select_epoch(*open.timeline, selector), Code::kNoSuchEpoch, [&] {
    return fmt::format("`epochfs log {}#{}` lists the epochs", open.repository->location(),
                       open.database->name());
  });
}

}  // namespace epochfs::tools
