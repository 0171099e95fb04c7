#include <memory>
#include <string>

#include "tools/command.h"
#include "tools/grafeo_words.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

struct ExportWords {
  engine::ExportOptions options;
  std::string place;
  std::string format;
  bool json = false;
};

Outcome<ExitCode> run_export(const ExportWords& words, const Context& context) {
  engine::ExportOptions options = words.options;
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  TRY_ASSIGN(options.format, format_from("export", words.format));
  options.location = source.location;
  options.database = source.database;
  options.cache_directory = context.cache_directory;
  TRY_ASSIGN(const engine::TransferReport report, [&] {
    ProgressBar bar(context, "export");
    options.progress = bar.progress();
    return engine::export_grafeo(options);
  }());
  return tell("export", report, words.json, context);
}

}  // namespace

Action declare_export(CLI::App& app) {
  const auto words = std::make_shared<ExportWords>();
  app.description(
      "Writes the whole history of a database of Grafeo's as a backup directory of Grafeo's own,\n"
      "from which Grafeo itself restores. DIR is new, empty, or begun by an export before: then\n"
      "what is new is added.");
  app.add_option("REPO", words->place, "REPO[#DATABASE]")->required();
  app.add_option("DIR", words->options.output, "the directory")->required();
  app.add_option(
         "--format", words->format,
         "grafeo-v2 or grafeo-v1, which Grafeo 0.5 reads (default: as the history needs it)")
      ->type_name("FORMAT")
      ->check(not_empty, "");
  app.add_flag("--wait", words->options.wait, "wait for another writer instead of exit 11");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Example:\n"
      "  epochfs export /backups#shop /tmp/shop");
  return [words](const Context& context) { return run_export(*words, context); };
}

}  // namespace epochfs::tools
