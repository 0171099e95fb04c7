#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/operations.h"
#include "tools/command.h"
#include "tools/epoch_text.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::counted;
using engine::DatabaseSummary;
using engine::human_bytes;
using engine::printable;
using engine::native::EpochFacts;

struct InfoWords {
  std::string place;
  bool json = false;
};

void set_epoch(engine::JsonObject& json, std::string_view key,
               const std::optional<EpochFacts>& facts) {
  if (facts)
    json.set(key, epoch_json(*facts));
  else
    json.set_null(key);
}

engine::JsonObject as_json(const DatabaseSummary& summary) {
  engine::JsonObject json;
  json.set("name", summary.name)
      .set("engine", engine::native::engine_name(summary.engine))
      .set("file_name", summary.file_name)
      .set("epochs", summary.epoch_count);
  set_epoch(json, "oldest", summary.oldest);
  set_epoch(json, "newest", summary.newest);
  if (summary.covered_until)
    json.set("covered_until", engine::format_utc(*summary.covered_until));
  else
    json.set_null("covered_until");
  engine::JsonArray problems;
  for (const std::string& problem : summary.problems) problems.add(problem);
  engine::JsonArray notes;
  for (const std::string& note : summary.notes) notes.add(note);
  json.set("fulls", summary.fulls)
      .set("incrementals", summary.incrementals)
      .set("stored_bytes", summary.stored_bytes)
      .set("problems", std::move(problems))
      .set("notes", std::move(notes));
  return json;
}

std::string as_json(const engine::Repository& repository,
                    const std::vector<DatabaseSummary>& summaries) {
  engine::JsonArray databases;
  for (const DatabaseSummary& summary : summaries) databases.add(as_json(summary));
  engine::JsonObject json;
  json.set("command", "info").set("repository", repository.location());
  if (repository.id().empty())
    json.set_null("id");
  else
    json.set("id", repository.id());
  json.set("databases", std::move(databases));
  return json.pretty();
}

engine::Result<void> print_epochs(const DatabaseSummary& summary, const Context& context) {
  if (!summary.oldest || !summary.newest) return context.answer("  epochs    none");
  const EpochFacts& oldest = *summary.oldest;
  const EpochFacts& newest = *summary.newest;
  if (oldest.epoch == newest.epoch)
    TRY(context.answer(
        fmt::format("  epochs    {}, number {}", summary.epoch_count, newest.epoch.get())));
  else
    TRY(context.answer(fmt::format("  epochs    {}, from {} to {}", summary.epoch_count,
                                   oldest.epoch.get(), newest.epoch.get())));
  TRY(context.answer(fmt::format("  oldest    {}  {}", engine::format_utc_millis(oldest.committed),
                                 human_bytes(oldest.size_bytes))));
  TRY(context.answer(fmt::format("  newest    {}  {}", engine::format_utc_millis(newest.committed),
                                 human_bytes(newest.size_bytes))));
  if (summary.covered_until)
    TRY(context.answer(
        fmt::format("  covered   until {}", engine::format_utc_millis(*summary.covered_until))));
  return {};
}

engine::Result<void> print(const DatabaseSummary& summary, const Context& context) {
  TRY(context.answer(fmt::format("{}: {} ({})", printable(summary.name),
                                 printable(summary.file_name),
                                 engine::native::engine_name(summary.engine))));
  TRY(print_epochs(summary, context));
  TRY(context.answer(fmt::format("  stored    {} in {} full and {}",
                                 human_bytes(summary.stored_bytes), summary.fulls,
                                 counted(summary.incrementals, "incremental segment"))));
  for (const std::string& problem : summary.problems)
    TRY(context.answer(fmt::format("  problem   {}", printable(problem))));
  for (const std::string& note : summary.notes)
    if (!context.quiet) TRY(context.answer(fmt::format("  note      {}", printable(note))));
  return {};
}

engine::Result<void> print(const engine::Repository& repository,
                           const std::vector<DatabaseSummary>& summaries, const Context& context) {
  const std::string id = repository.id().empty() ? "" : fmt::format(", id {}", repository.id());
  TRY(context.answer(fmt::format("repository {}{}", printable(repository.location()), id)));
  for (const DatabaseSummary& summary : summaries) TRY(print(summary, context));
  if (summaries.empty()) TRY(context.answer("no databases yet"));
  return {};
}

Outcome<ExitCode> run_info(const InfoWords& words, const Context& context) {
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  TRY_ASSIGN(const auto repository, open_repository(context, source));
  TRY_ASSIGN(const auto summaries,
             with_hint(engine::summarize(*repository, source.database), engine::Code::kNotFound,
                       [&] { return look_at_databases(source); }));
  if (words.json)
    TRY(write_answer(as_json(*repository, summaries)));
  else
    TRY(print(*repository, summaries, context));
  const bool sound = std::all_of(summaries.begin(), summaries.end(),
                                 [](const DatabaseSummary& s) { return s.problems.empty(); });
  return sound ? ExitCode::kDone : ExitCode::kWarnings;
}

}  // namespace

Action declare_info(CLI::App& app) {
  const auto words = std::make_shared<InfoWords>();
  app.description(
      "Tells what can be restored: databases, epochs, from when to when, sizes, and what stands "
      "in\n"
      "the way. Exit 3 when something does; `epochfs verify` looks closer.");
  app.add_option("REPO", words->place, "REPO[#DATABASE]")->required();
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Examples:\n"
      "  epochfs info /backups\n"
      "  epochfs info /backups#app --json | jq -r .databases[].newest.committed");
  return [words](const Context& context) { return run_info(*words, context); };
}

}  // namespace epochfs::tools
