#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/time.h"
#include "tools/command.h"
#include "tools/epoch_text.h"
#include "tools/epoch_walk.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::Epoch;
using engine::native::EpochFacts;

struct LogWords {
  std::string place;
  std::string since;
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  bool reverse = false;
  bool json = false;
};

// The first epoch to tell, nullopt: none.
Outcome<std::optional<Epoch>> first_epoch(const engine::Timeline& timeline,
                                          const std::string& since) {
  if (since.empty()) return timeline.oldest();
  const auto moment = engine::parse_moment(since, engine::utc_now());
  if (!moment)
    return advise(engine::Error::invalid(fmt::format("log: --since {}: not a moment", since)),
                  "2026-11-20, 2026-11-20T12:00, 2h-ago");
  TRY_ASSIGN(const auto facts, timeline.oldest_from(*moment));
  return facts ? std::optional(facts->epoch) : std::nullopt;
}

Outcome<ExitCode> run_log(const LogWords& words, const Context& context) {
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  TRY_ASSIGN(const OpenDatabase open, open_database(context, source));
  TRY_ASSIGN(const auto first, first_epoch(*open.timeline, words.since));
  if (!first) {
    context.note("no epochs");
    return ExitCode::kDone;
  }
  const EpochVisitor print = [&](const EpochFacts& facts) {
    return context.answer(words.json ? epoch_json(facts).line() : epoch_line(facts));
  };
  if (words.reverse)
    TRY(walk_forward(*open.timeline, *first, words.limit, print));
  else
    TRY(walk_backward(*open.timeline, *first, words.limit, print));
  return ExitCode::kDone;
}

// What is wrong with it; nothing: empty. The conversion alone takes -1 for a huge number.
std::string not_a_count(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return fmt::format("{} is not a number from 0 to {}", text,
                     std::numeric_limits<std::uint64_t>::max());
}

}  // namespace

Action declare_log(CLI::App& app) {
  const auto words = std::make_shared<LogWords>();
  app.description(
      "Lists the epochs of a database, newest first, one a line: number, commit time (UTC), size,\n"
      "pages changed, how it was captured (commit: one transaction; page-diff: found by comparing\n"
      "pages, may hold several), and the beginning of its state hash.");
  app.add_option("REPO", words->place, "REPO[#DATABASE]")->required();
  app.add_option("-n,--limit", words->limit, "only the newest N")
      ->type_name("N")
      ->check(not_a_count);
  app.add_option("--since", words->since, "only epochs committed at that moment or after it")
      ->type_name("MOMENT")
      ->check(not_empty, "");
  app.add_flag("--reverse", words->reverse, "oldest first");
  app.add_flag("--json", words->json, "JSON lines: one document for each epoch");
  app.footer(
      "Two epochs with the same state hash hold the same database.\n\n"
      "Examples:\n"
      "  epochfs log /backups | head\n"
      "  epochfs log /backups#app --since 2h-ago --reverse\n"
      "  epochfs log /backups --json | jq -r 'select(.pages_changed > 1000) | .epoch'");
  return [words](const Context& context) { return run_log(*words, context); };
}

}  // namespace epochfs::tools
