#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "engine/core/text.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/operations.h"
#include "tools/clean_end.h"
#include "tools/command.h"
#include "tools/progress_bar.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::Damage;
using engine::printable;
using engine::VerifyReport;

struct VerifyWords {
  std::string place;
  bool quick = false;
  bool json = false;
};

void set_epoch(engine::JsonObject& json, std::string_view key,
               const std::optional<engine::Epoch>& epoch) {
  if (epoch)
    json.set(key, epoch->get());
  else
    json.set_null(key);
}

std::string as_json(const VerifyReport& report, bool quick) {
  engine::JsonArray damage;
  for (const Damage& item : report.damage) {
    engine::JsonObject json;
    json.set("database", item.database).set("object", item.object).set("text", item.text);
    set_epoch(json, "first_lost", item.first_lost);
    set_epoch(json, "last_lost", item.last_lost);
    json.set("loses_all", item.loses_all);
    damage.add(std::move(json));
  }
  engine::JsonArray notes;
  for (const std::string& warning : report.warnings) notes.add(warning);
  engine::JsonObject json;
  json.set("command", "verify")
      .set("sound", report.damage.empty())
      .set("quick", quick)
      .set("databases", report.databases)
      .set("segments", report.segments)
      .set("epochs", report.epochs)
      .set("bytes_checked", report.bytes_checked)
      .set("damage", std::move(damage))
      .set("notes", std::move(notes));
  return json.pretty();
}

std::string cost_of(const Damage& damage) {
  if (damage.loses_all) return "costs every epoch of the database";
  if (!damage.first_lost) return "costs no epoch";
  const engine::Epoch last = damage.last_lost.value_or(*damage.first_lost);
  return "costs " + engine::range_text("epoch", damage.first_lost->get(), last.get());
}

std::string damage_line(const Damage& damage) {
  const std::string place = damage.database.empty()
                                ? damage.object
                                : fmt::format("{}/{}", damage.database, damage.object);
  return fmt::format("damaged  {}: {}; {}", printable(place), printable(damage.text),
                     cost_of(damage));
}

std::string_view plural(std::uint64_t count) { return count == 1 ? "" : "s"; }

std::string verdict_line(const VerifyReport& report, bool quick) {
  const std::string verdict =
      report.damage.empty()
          ? "sound"
          : fmt::format("{} damaged place{}", report.damage.size(), plural(report.damage.size()));
  return fmt::format("{}: {} database{}, {} segment{}, {} epoch{}, {} {}", verdict,
                     report.databases, plural(report.databases), report.segments,
                     plural(report.segments), report.epochs, plural(report.epochs),
                     engine::human_bytes(report.bytes_checked),
                     quick ? "looked at, structure only" : "read");
}

engine::Result<void> print(const VerifyReport& report, bool quick, const Context& context) {
  for (const Damage& damage : report.damage) TRY(context.answer(damage_line(damage)));
  for (const std::string& warning : report.warnings)
    if (!context.quiet) TRY(context.answer(fmt::format("note     {}", printable(warning))));
  return context.answer(verdict_line(report, quick));
}

Outcome<ExitCode> run_verify(const VerifyWords& words, const Context& context) {
  const CleanEnd clean_end;
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  const auto verify = [&] {
    ProgressBar bar(context, "verify");
    return engine::verify(source.location, source.database, words.quick, bar.progress());
  };
  TRY_ASSIGN(const VerifyReport report, with_hint(verify(), engine::Code::kNotFound,
                                                  [&] { return look_at_databases(source); }));
  if (words.json)
    TRY(write_answer(as_json(report, words.quick)));
  else
    TRY(print(report, words.quick, context));
  return report.damage.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace

Action declare_verify(CLI::App& app) {
  const auto words = std::make_shared<VerifyWords>();
  app.description(
      "Reads the repository and checks every hash on the way: segments, pages, and the state hash\n"
      "of every epoch. Names what is damaged and which epochs that costs, and exits 4. Leftovers "
      "of\n"
      "interrupted backups are noted; they are harmless and leave the exit code alone.");
  app.add_option("REPO", words->place, "REPO[#DATABASE]")->required();
  app.add_flag("--quick", words->quick, "structure only: manifests, sizes and tables");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Examples:\n"
      "  epochfs verify /backups\n"
      "  epochfs verify --quick /backups#app");
  return [words](const Context& context) { return run_verify(*words, context); };
}

}  // namespace epochfs::tools
