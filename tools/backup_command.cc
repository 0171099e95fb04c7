#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

#include "engine/core/text.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/operations.h"
#include "tools/clean_end.h"
#include "tools/command.h"
#include "tools/grafeo_words.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::BackupReport;
using engine::human_bytes;

struct BackupWords {
  engine::BackupOptions options;
  std::string place;
  std::string engine;
  std::string format;
  bool json = false;
};

Outcome<ExitCode> refuse_engine(const std::string& name) {
  return engine::Error::invalid(
      fmt::format("backup: no engine is called {}: sqlite, file, grafeo", name));
}

std::string_view kind_of(const BackupReport& report) {
  if (report.wrote_incremental) return "incremental";
  return report.wrote_full ? "full" : "none";
}

void set_epoch(engine::JsonObject& json, std::string_view key,
               const std::optional<engine::Epoch>& epoch) {
  if (epoch)
    json.set(key, epoch->get());
  else
    json.set_null(key);
}

std::string as_json(const BackupReport& report, bool dry_run) {
  engine::JsonObject json;
  json.set("command", "backup")
      .set("database", report.database)
      .set("engine", engine::native::engine_name(report.engine))
      .set("kind", kind_of(report));
  set_epoch(json, "epoch", report.newest);
  set_epoch(json, "first_new", report.first_new);
  json.set("epochs_added", report.epochs_added)
      .set("pages", report.pages_stored)
      .set("bytes_read", report.bytes_read)
      .set("bytes_stored", report.bytes_stored)
      .set("wrote_full", report.wrote_full)
      .set("wrote_incremental", report.wrote_incremental);
  if (report.reason.empty())
    json.set_null("reason");
  else
    json.set("reason", report.reason);
  if (report.warning.empty())
    json.set_null("warning");
  else
    json.set("warning", report.warning);
  json.set("dry_run", dry_run).set("seconds", report.seconds);
  return json.pretty();
}

std::string epochs_text(const BackupReport& report) {
  if (!report.first_new || !report.newest) return "no new epoch";
  if (*report.first_new == *report.newest)
    return fmt::format("1 new epoch ({})", report.newest->get());
  return fmt::format("{} new epochs ({} to {})", report.epochs_added, report.first_new->get(),
                     report.newest->get());
}

std::string changes_text(const BackupReport& report) {
  return fmt::format("{} backup of {}: {}, {}", kind_of(report), engine::printable(report.database),
                     epochs_text(report), engine::counted(report.pages_stored, "page version"));
}

// There a full comes first, and the log behind it is what is incremental.
std::string grafeo_changes_text(const BackupReport& report) {
  const bool both = report.wrote_full && report.wrote_incremental;
  return fmt::format("{} backup of {}: {}", both ? "full and incremental" : kind_of(report),
                     engine::printable(report.database), epochs_text(report));
}

engine::Result<void> print_cost(const BackupReport& report, const Context& context) {
  return context.answer(fmt::format("read {}, stored {}, {:.2f} s", human_bytes(report.bytes_read),
                                    human_bytes(report.bytes_stored), report.seconds));
}

engine::Result<void> print_summary(const BackupReport& report, const Context& context) {
  const bool is_grafeo = report.engine == engine::native::Engine::kGrafeo;
  if (kind_of(report) == "none") {
    TRY(context.answer("nothing changed"));
    if (!is_grafeo)
      return {};  // there a reason would be why the pages that did not change were read
  } else {
    TRY(context.answer(is_grafeo ? grafeo_changes_text(report) : changes_text(report)));
    if (!is_grafeo && report.wrote_full && report.wrote_incremental)
      TRY(context.answer("and a new full of it"));
    TRY(print_cost(report, context));
  }
  if (!report.reason.empty())
    TRY(context.answer(fmt::format("reason: {}", engine::printable(report.reason))));
  return {};
}

// The last line is what scripts read. A dry run has made nothing, so it does not say the same.
engine::Result<void> print(const BackupReport& report, bool dry_run, const Context& context) {
  if (!context.quiet) TRY(print_summary(report, context));
  if (!report.newest) return {};
  return context.answer(fmt::format(
      "{}epoch {}", dry_run ? "dry run, nothing stored: would be " : "", report.newest->get()));
}

Outcome<ExitCode> run_backup(const BackupWords& words, const Context& context) {
  const CleanEnd clean_end;
  engine::BackupOptions options = words.options;
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  options.location = source.location;
  options.cache_directory = context.cache_directory;
  TRY(check_outside(options.location, options.cache_directory, "the cache directory"));
  TRY_ASSIGN(options.name, chosen_name("backup", options.name, source));
  if (!words.engine.empty()) {
    const auto engine = engine::native::engine_from(words.engine);
    if (!engine) return refuse_engine(words.engine);
    options.engine = *engine;
  }
  options.zlayer = words.format == "zlayer";
  if (!options.zlayer) {
    const auto format = format_from("backup", words.format);
    if (!format) return engine::Error::invalid(format.error().text + ", zlayer");
    options.format = *format;
  }
  context.detail(fmt::format("backup of {} into {}", options.database_path, options.location));
  TRY_ASSIGN(const BackupReport report, [&] {
    ProgressBar bar(context, "backup");
    options.progress = bar.progress();
    return engine::backup(options);
  }());
  if (words.json)
    TRY(write_answer(as_json(report, options.dry_run)));
  else
    TRY(print(report, options.dry_run, context));
  if (report.warning.empty()) return ExitCode::kDone;
  context.warn(engine::printable(report.warning));
  return ExitCode::kWarnings;
}

}  // namespace

Action declare_backup(CLI::App& app) {
  const auto words = std::make_shared<BackupWords>();
  app.description(
      "Stores what was committed to the database since the last backup: each transaction that is\n"
      "still in its write-ahead log as an epoch of its own. The first backup stores a full.\n"
      "The database is read as any reader would; its writers go on.");
  app.add_option("DB", words->options.database_path, "the database file")->required();
  app.add_option("REPO", words->place, "the repository, made on first use")->required();
  app.add_option("--name", words->options.name,
                 "what the database is called there (default: its file name, last extension off)")
      ->type_name("NAME");
  app.add_option("--engine", words->engine, "sqlite, grafeo or file (default: by its content)")
      ->type_name("ENGINE")
      ->check(not_empty, "");
  app.add_option("--format", words->format,
                 "zlayer: REPO is in the layout of ZLayer's replicator; grafeo-v2 or grafeo-v1: a\n"
                 "backup directory in Grafeo's own format")
      ->type_name("FORMAT")
      ->check(not_empty, "");
  app.add_flag("--full", words->options.full, "also store a new full of the newest epoch");
  app.add_flag("--dry-run", words->options.dry_run, "find out what would be stored, store nothing");
  app.add_flag("--wait", words->options.wait, "wait for another writer instead of exit 11");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "The last line on stdout is `epoch N`, the newest epoch, once it is safely stored.\n"
      "With --quiet it is the only line. Nothing changed is a success without a new epoch.\n\n"
      "Examples:\n"
      "  epochfs backup app.db /backups\n"
      "  epochfs backup --name orders /srv/shop/data.db /backups\n"
      "  epochfs backup --json app.db /backups | jq .bytes_stored\n"
      "  epochfs backup shop.grafeo /backups\n"
      "  epochfs backup --format grafeo-v2 shop.grafeo /backups/shop\n"
      "  epochfs backup --format zlayer app.db s3://bucket/app");
  return [words](const Context& context) { return run_backup(*words, context); };
}

}  // namespace epochfs::tools
