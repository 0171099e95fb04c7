#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

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
using engine::DiffReport;
using engine::native::EpochFacts;

struct DiffWords {
  std::string source;
  bool json = false;
  bool ranges = false;
};

struct SelectorPair {
  std::string_view from;
  std::string_view to;
};

Outcome<SelectorPair> split_selectors(std::string_view selectors) {
  const std::size_t dots = selectors.find("..");
  if (dots == std::string_view::npos || dots == 0)
    return advise(engine::Error::invalid("diff: takes two epochs"), "epochfs diff REPO@A..B");
  return SelectorPair{selectors.substr(0, dots), selectors.substr(dots + 2)};
}

void set_pages(engine::JsonObject& json, const DiffReport& report, bool with_ranges) {
  json.set("same", report.from.state == report.to.state)
      .set("pages_changed", report.pages_changed)
      .set("pages_added", report.pages_added)
      .set("pages_removed", report.pages_removed)
      .set("bytes_changed", report.bytes_changed);
  if (!with_ranges) return;
  engine::JsonArray ranges;
  for (const engine::PageRange& range : report.ranges) {
    engine::JsonObject item;
    item.set("first", range.first.get()).set("last", range.last.get());
    ranges.add(std::move(item));
  }
  json.set("ranges", std::move(ranges));
}

void set_log(engine::JsonObject& json, const DiffReport::Log& log) {
  json.set("epochs", log.epochs)
      .set("transactions", log.transactions)
      .set("records", log.records)
      .set("bytes", log.bytes)
      .set("complete", log.complete);
}

std::string as_json(const DiffReport& report, const std::string& database, bool with_ranges) {
  engine::JsonObject json;
  json.set("command", "diff")
      .set("database", database)
      .set("from", epoch_json(report.from))
      .set("to", epoch_json(report.to));
  if (report.log)
    set_log(json, *report.log);
  else
    set_pages(json, report, with_ranges);
  return json.pretty();
}

std::string side_line(std::string_view label, const EpochFacts& facts) {
  return fmt::format("{:<5} {:>10}  {}  {}", label, facts.epoch.get(),
                     engine::format_utc_millis(facts.committed),
                     engine::human_bytes(facts.size_bytes));
}

std::string log_line(const DiffReport::Log& log) {
  return fmt::format("log {} in {}, {}; {}{}", counted(log.records, "record"),
                     counted(log.transactions, "transaction"), counted(log.epochs, "epoch"),
                     engine::human_bytes(log.bytes),
                     log.complete ? "" : ", and what is in no backup of its own");
}

engine::Result<void> print(const DiffReport& report, bool with_ranges, const Context& context) {
  TRY(context.answer(side_line("from", report.from)));
  TRY(context.answer(side_line("to", report.to)));
  if (report.log) return context.answer(log_line(*report.log));
  TRY(context.answer(fmt::format("pages {} changed, {} added, {} removed; {}", report.pages_changed,
                                 report.pages_added, report.pages_removed,
                                 engine::human_bytes(report.bytes_changed))));
  if (!with_ranges) return {};
  for (const engine::PageRange& range : report.ranges)
    TRY(context.answer(range.first == range.last
                           ? fmt::format("{}", range.first.get())
                           : fmt::format("{}-{}", range.first.get(), range.last.get())));
  return {};
}

Outcome<ExitCode> run_diff(const DiffWords& words, const Context& context) {
  TRY_ASSIGN(const engine::Source source, engine::parse_source(words.source));
  TRY_ASSIGN(const SelectorPair selectors, split_selectors(source.selector));
  TRY_ASSIGN(const OpenDatabase open, open_database(context, source));
  TRY_ASSIGN(const EpochFacts from, choose_epoch(open, selectors.from));
  TRY_ASSIGN(const EpochFacts to, choose_epoch(open, selectors.to));
  TRY_ASSIGN(const DiffReport report, engine::diff(*open.database, from.epoch, to.epoch));
  if (words.json)
    TRY(write_answer(as_json(report, open.database->name(), words.ranges)));
  else
    TRY(print(report, words.ranges, context));
  return ExitCode::kDone;
}

}  // namespace

Action declare_diff(CLI::App& app) {
  const auto words = std::make_shared<DiffWords>();
  app.description(
      "Tells how many pages and bytes differ between two epochs, and which pages; of a database "
      "of\n"
      "Grafeo's, the records and bytes of its log between them.");
  app.add_option("SOURCE", words->source,
                 "REPO[#DATABASE]@A..B, two selectors; without B the latest epoch")
      ->required();
  app.add_flag("--ranges", words->ranges, "list changed and added pages, as N or FIRST-LAST");
  app.add_flag("--json", words->json, "one JSON document");
  app.footer(
      "Examples:\n"
      "  epochfs diff /backups@411..412\n"
      "  epochfs diff /backups#app@2h-ago..latest --ranges");
  return [words](const Context& context) { return run_diff(*words, context); };
}

}  // namespace epochfs::tools
