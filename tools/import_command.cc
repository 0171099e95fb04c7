#include <fmt/format.h>

#include <memory>
#include <string>

#include "tools/command.h"
#include "tools/grafeo_words.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

struct ImportWords {
  engine::ImportOptions options;
  std::string directory;
  std::string place;
  bool json = false;
};

Outcome<ExitCode> run_import(const ImportWords& words, const Context& context) {
  engine::ImportOptions options = words.options;
  TRY_ASSIGN(const engine::Source from, parse_place(words.directory));
  TRY_ASSIGN(const engine::Source to, parse_place(words.place));
  options.source = from.location;
  options.database = from.database;
  options.location = to.location;
  options.cache_directory = context.cache_directory;
  TRY_ASSIGN(options.name, chosen_name("import", options.name, to));
  TRY_ASSIGN(const engine::TransferReport report, [&] {
    ProgressBar bar(context, "import");
    options.progress = bar.progress();
    return with_hint(engine::import_grafeo(options), engine::Code::kNoRepository, [&] {
      return fmt::format("the backup directory itself; `epochfs info {}` tells what is there",
                         options.source);
    });
  }());
  return tell("import", report, words.json, context);
}

}  // namespace

Action declare_import(CLI::App& app) {
  const auto words = std::make_shared<ImportWords>();
  app.description(
      "Takes a backup directory of Grafeo's own into a repository: the same epochs, compressed,\n"
      "beside databases of other kinds. Each segment is compared with its checksum, read back and\n"
      "compared again before it counts. Once more, it takes only what is new; the directory stays\n"
      "as it is. `epochfs export` is the way back.");
  app.add_option("DIR", words->directory,
                 "the backup directory, or DIR#NAME for one right below it")
      ->required();
  app.add_option("REPO", words->place, "the repository, made on first use")->required();
  app.add_option("--name", words->options.name,
                 "what the database is called there (default: as the directory)")
      ->type_name("NAME");
  app.add_flag("--wait", words->options.wait, "wait for another writer instead of exit 11");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Example:\n"
      "  epochfs import /var/backups/shop /backups");
  return [words](const Context& context) { return run_import(*words, context); };
}

}  // namespace epochfs::tools
