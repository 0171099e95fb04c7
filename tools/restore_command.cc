#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/operations.h"
#include "tools/clean_end.h"
#include "tools/command.h"
#include "tools/epoch_text.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::RestoreReport;

struct RestoreWords {
  std::string source;
  std::string output;
  bool force = false;
  bool json = false;
};

// An existing directory stands for the database's own name in it.
std::string output_path(const std::string& output, const engine::Database& database) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(output, ignored)) return output;
  return std::filesystem::path(output) / database.file_name();
}

Outcome<ExitCode> restore_to_stdout(const OpenDatabase& open, engine::Epoch epoch,
                                    const Context& context) {
  ProgressBar bar(context, "restore");
  TRY(with_hint(engine::restore_to_descriptor(*open.database, epoch, STDOUT_FILENO, bar.progress()),
                engine::Code::kNoSpace,
                [] { return std::string("where stdout goes there is no room"); }));
  return ExitCode::kDone;
}

std::string as_json(const RestoreReport& report, const engine::native::EpochFacts& facts,
                    const OpenDatabase& open, const std::string& output) {
  engine::JsonObject json;
  json.set("command", "restore")
      .set("database", open.database->name())
      .set("epoch", report.epoch.get())
      .set("committed", engine::format_utc(facts.committed))
      .set("output", output)
      .set("size_bytes", report.size_bytes);
  if (!report.log_directory.empty()) json.set("log_directory", report.log_directory);
  if (report.state) json.set("state_hash", report.state->hex());
  json.set("seconds", report.seconds);
  return json.pretty();
}

std::string as_line(const RestoreReport& report, const engine::native::EpochFacts& facts,
                    const std::string& output) {
  const std::string log = report.log_directory.empty()
                              ? ""
                              : fmt::format(" and {}", engine::printable(report.log_directory));
  return fmt::format("restored epoch {} of {} to {}{}: {}, {:.2f} s", report.epoch.get(),
                     engine::format_utc_millis(facts.committed), engine::printable(output), log,
                     engine::human_bytes(report.size_bytes), report.seconds);
}

Outcome<ExitCode> run_restore(const RestoreWords& words, const Context& context) {
  const CleanEnd clean_end;
  const bool to_stdout = words.output == "-";
  if (to_stdout && words.json)
    return engine::Error::invalid("restore: --json and the database cannot both go to stdout");
  if (to_stdout && ::isatty(STDOUT_FILENO) == 1)
    return advise(engine::Error::invalid("restore: stdout is a terminal"),
                  fmt::format("epochfs restore '{}' - > FILE", words.source));
  TRY_ASSIGN(const engine::Source source, engine::parse_source(words.source));
  TRY_ASSIGN(const OpenDatabase open, open_database(context, source));
  TRY_ASSIGN(const auto facts, choose_epoch(open, source.selector));
  if (to_stdout) return restore_to_stdout(open, facts.epoch, context);

  engine::RestoreOptions options;
  options.output = output_path(words.output, *open.database);
  TRY(check_outside(source.location, options.output, "the output"));
  options.force = words.force;
  TRY_ASSIGN(const RestoreReport report, [&] {
    ProgressBar bar(context, "restore");
    options.progress = bar.progress();
    return engine::restore(*open.database, facts.epoch, options);
  }());
  if (words.json)
    TRY(write_answer(as_json(report, facts, open, options.output)));
  else if (!context.quiet)
    TRY(context.answer(as_line(report, facts, options.output)));
  return ExitCode::kDone;
}

}  // namespace

Action declare_restore(CLI::App& app) {
  const auto words = std::make_shared<RestoreWords>();
  app.description(
      "Writes the database of one epoch to a file, checked against the epoch's state hash on the\n"
      "way. The file appears under its name when it is complete, never before. A database of\n"
      "Grafeo's may need its log too, which comes as a directory OUT.wal beside it.");
  app.add_option("SOURCE", words->source,
                 "REPO[#DATABASE][@SELECTOR]; without a selector the latest epoch")
      ->required();
  app.add_option("OUT", words->output,
                 "a file; or a directory, for the database's own name in it; or - for stdout")
      ->required();
  app.add_flag("--force", words->force, "replace OUT when it exists");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Selectors: 412 | latest | latest~3 | 2026-11-20T12:00 (the last epoch at or before, UTC) |\n"
      "2h-ago. An epoch's time is that of the backup which found it: run backups as often as\n"
      "moments are to be told apart.\n\n"
      "Examples:\n"
      "  epochfs restore /backups recovered.db\n"
      "  epochfs restore /backups#app@412 recovered.db\n"
      "  epochfs restore /backups@2h-ago - | sha256sum");
  return [words](const Context& context) { return run_restore(*words, context); };
}

}  // namespace epochfs::tools
