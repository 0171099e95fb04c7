#include <fmt/format.h>

#include <memory>
#include <string>

#include "engine/core/text.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/copy.h"
#include "tools/clean_end.h"
#include "tools/command.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::CopyReport;

struct CopyWords {
  std::string source;
  std::string target;
  bool wait = false;
  bool json = false;
};

std::string as_json(const CopyReport& report) {
  return engine::JsonObject()
      .set("command", "copy")
      .set("databases", report.databases)
      .set("segments", report.segments)
      .set("segments_copied", report.segments_copied)
      .set("bytes_copied", report.bytes_copied)
      .set("seconds", report.seconds)
      .pretty();
}

std::string as_line(const CopyReport& report) {
  return fmt::format("copied {} of {} segment{} of {} database{}: {}, {:.2f} s",
                     report.segments_copied, report.segments, report.segments == 1 ? "" : "s",
                     report.databases, report.databases == 1 ? "" : "s",
                     engine::human_bytes(report.bytes_copied), report.seconds);
}

Outcome<ExitCode> run_copy(const CopyWords& words, const Context& context) {
  const CleanEnd clean_end;
  TRY_ASSIGN(const engine::Source from, parse_place(words.source));
  TRY_ASSIGN(const engine::Source to, parse_place(words.target));
  if (!to.database.empty())
    return engine::Error::invalid(fmt::format(
        "copy: {}: databases keep their names, so the target is a repository", words.target));
  TRY(check_outside(from.location, to.location, "the target"));
  engine::CopyOptions options;
  options.source = from.location;
  options.database = from.database;
  options.target = to.location;
  options.wait = words.wait;
  const auto copy = [&] {
    ProgressBar bar(context, "copy");
    options.progress = bar.progress();
    return engine::copy_repository(options);
  };
  TRY_ASSIGN(const CopyReport report,
             with_hint(copy(), engine::Code::kNotFound, [&] { return look_at_databases(from); }));
  if (words.json)
    TRY(write_answer(as_json(report)));
  else if (!context.quiet)
    TRY(context.answer(as_line(report)));
  return ExitCode::kDone;
}

}  // namespace

Action declare_copy(CLI::App& app) {
  const auto words = std::make_shared<CopyWords>();
  app.description(
      "Copies a repository, or one database of it, to another place: a directory or a bucket,\n"
      "either way. Each object is compared with its SHA-256 on the way. Once more, it sends only\n"
      "what is new; what was interrupted goes on where it stopped. A place that holds another\n"
      "history of a database is refused.");
  app.add_option("REPO", words->source, "REPO[#DATABASE]")->required();
  app.add_option("REPO2", words->target, "the other place, made on first use")->required();
  app.add_flag("--wait", words->wait, "wait for another writer instead of exit 11");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Examples:\n"
      "  epochfs copy /backups s3://backups/shop\n"
      "  epochfs copy s3://backups/shop#app /mnt/usb/backups");
  return [words](const Context& context) { return run_copy(*words, context); };
}

}  // namespace epochfs::tools
