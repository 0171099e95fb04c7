#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "engine/core/text.h"
#include "engine/formats/json/json_text.h"
#include "engine/repo/doctor.h"
#include "tools/command.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::Examination;
using engine::printable;

struct DoctorWords {
  std::string place;
  bool read_only = false;
  bool json = false;
};

std::string_view verdict_name(Examination::Verdict verdict) {
  switch (verdict) {
    case Examination::Verdict::kPassed:
      return "passed";
    case Examination::Verdict::kFailed:
      return "failed";
    case Examination::Verdict::kSkipped:
      return "skipped";
  }
  return "";
}

std::string as_json(const Examination& examination, bool read_only) {
  engine::JsonArray settings;
  for (const auto& [name, value, source] : examination.settings) {
    engine::JsonObject json;
    json.set("name", name).set("value", value).set("source", source);
    settings.add(std::move(json));
  }
  engine::JsonArray checks;
  for (const Examination::Check& check : examination.checks) {
    engine::JsonObject json;
    json.set("name", check.name)
        .set("verdict", verdict_name(check.verdict))
        .set("text", check.text);
    checks.add(std::move(json));
  }
  engine::JsonObject json;
  json.set("command", "doctor")
      .set("location", examination.location)
      .set("read_only", read_only)
      .set("sound", examination.is_sound())
      .set("settings", std::move(settings))
      .set("checks", std::move(checks));
  return json.pretty();
}

engine::Result<void> print(const Examination& examination, const Context& context) {
  TRY(context.answer(printable(examination.location)));
  for (const Examination::Setting& setting : examination.settings)
    TRY(context.answer(fmt::format("  {:<18}{}  ({})", setting.name, printable(setting.value),
                                   printable(setting.source))));
  for (const Examination::Check& check : examination.checks)
    TRY(context.answer(fmt::format("  {:<18}{}: {}", check.name, verdict_name(check.verdict),
                                   printable(check.text))));
  return {};
}

ExitCode exit_code_for(const Examination& examination) {
  const bool unreachable = std::ranges::any_of(examination.checks, [](const auto& check) {
    return check.verdict == Examination::Verdict::kFailed &&
           check.code == engine::Code::kUnreachable;
  });
  if (unreachable) return ExitCode::kUnreachable;
  return examination.is_sound() ? ExitCode::kDone : ExitCode::kFailed;
}

Outcome<ExitCode> run_doctor(const DoctorWords& words, const Context& context) {
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  TRY_ASSIGN(const Examination examination, engine::examine(source.location, words.read_only));
  if (words.json)
    TRY(write_answer(as_json(examination, words.read_only)));
  else
    TRY(print(examination, context));
  return exit_code_for(examination);
}

}  // namespace

Action declare_doctor(CLI::App& app) {
  const auto words = std::make_shared<DoctorWords>();
  app.description(
      "Looks whether a place can hold a repository: which settings are in force and where each\n"
      "comes from, and whether listing, reading, writing and writing on conditions work. It tries\n"
      "them with an object of its own, which it removes again. Exit 14 when a store does not "
      "answer\n"
      "or refuses, 1 when something else fails.");
  app.add_option("REPO", words->place, "a directory, or s3://bucket/prefix")->required();
  app.add_flag("--read-only", words->read_only, "try only what changes nothing");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Examples:\n"
      "  epochfs doctor s3://backups/shop\n"
      "  epochfs doctor --read-only /backups");
  return [words](const Context& context) { return run_doctor(*words, context); };
}

}  // namespace epochfs::tools
