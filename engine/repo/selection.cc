// Words for repositories, databases and epochs: parse_source, select_database, select_epoch.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/zlayer/epoch_name.h"
#include "engine/repo/repository.h"
#include "engine/storage/s3_location.h"

namespace epochfs::engine {
namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string what_there_is(const Timeline& timeline) {
  if (!timeline.newest()) return "the database has no epochs yet";
  const std::uint64_t first = timeline.oldest()->get();
  const std::uint64_t last = timeline.newest()->get();
  return fmt::format("there {} {}", first == last ? "is only" : "are",
                     range_text("epoch", first, last));
}

Result<native::EpochFacts> select_by_number(const Timeline& timeline, std::uint64_t number) {
  TRY_ASSIGN(const auto facts, timeline.find(Epoch(number)));
  if (!facts)
    return Error::no_such_epoch(fmt::format("no epoch {}: {}", number, what_there_is(timeline)));
  return *facts;
}

Result<native::EpochFacts> select_latest(const Timeline& timeline, std::uint64_t steps_back) {
  if (steps_back >= timeline.epoch_count())
    return Error::no_such_epoch(
        fmt::format("no epoch latest~{}: {}", steps_back, what_there_is(timeline)));
  std::optional<native::EpochFacts> facts;
  Epoch behind(timeline.newest()->get() + 1);
  for (std::uint64_t i = 0; i <= steps_back; ++i) {
    TRY_ASSIGN(facts, timeline.newest_below(behind));
    if (!facts) break;
    behind = facts->epoch;
  }
  if (!facts) return Error::no_such_epoch(what_there_is(timeline));
  return *facts;
}

// Numbers may shift there, so epochs have names, too.
Result<std::optional<native::EpochFacts>> find_named(const Timeline& timeline,
                                                     std::string_view name) {
  std::optional<native::EpochFacts> found;
  TRY(visit_epochs(timeline, Epoch(), [&](const native::EpochFacts& facts) -> Result<bool> {
    if (facts.basis != native::Basis::kStored && zlayer::epoch_name(facts) == name) found = facts;
    return !found;
  }));
  return found;
}

// "s3:/bucket", "S3://bucket", "https://host/bucket": hardly anybody's directory.
bool is_misspelt_url(std::string_view text) {
  const auto is_of_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const std::size_t colon = text.find(':');
  const bool has_scheme = colon != std::string_view::npos && colon > 0 &&
                          std::ranges::all_of(text.substr(0, colon), is_of_scheme) &&
                          text.substr(colon + 1).starts_with('/');
  return has_scheme && !is_s3_location(text);
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  Source source;
  // A path may hold '@' and '#'; what follows the last of them counts, unless a '/' follows, which
  // no name or selector has.
  const auto split = [&text](char mark) -> std::optional<std::string> {
    const std::size_t at = text.rfind(mark);
    if (at == std::string_view::npos || text.find('/', at) != std::string_view::npos)
      return std::nullopt;
    std::string rest(text.substr(at + 1));
    text = text.substr(0, at);
    return rest;
  };
  if (auto selector = split('@')) {
    if (selector->empty()) return Error::invalid("an epoch is missing after '@'");
    source.selector = *std::move(selector);
  }
  if (auto database = split('#')) {
    if (database->empty()) return Error::invalid("a database name is missing after '#'");
    source.database = *std::move(database);
  }
  if (text.empty()) return Error::invalid("a repository is missing");
  if (is_misspelt_url(text))
    return Error::invalid(
        fmt::format("'{}' is no place: s3://bucket/prefix is one, a directory of that name is ./{}",
                    printable(text), printable(text)));
  source.location = text;
  return source;
}

Result<std::shared_ptr<Database>> select_database(Repository& repository, const Source& source) {
  TRY_ASSIGN(const std::vector<std::string> names, repository.databases());
  const auto listed = [&] {
    std::vector<std::string> shown;
    shown.reserve(names.size());
    for (const std::string& name : names) shown.push_back(printable(name));
    return fmt::format("{}", fmt::join(shown, ", "));
  };
  if (!source.database.empty()) {
    auto database = repository.database(source.database);
    if (!database && database.error().code == Code::kNotFound)
      return Error::not_found(
          names.empty()
              ? fmt::format("no database {}: the repository is empty", printable(source.database))
              : fmt::format("no database {}: there is {}", printable(source.database), listed()));
    return database;
  }
  if (names.empty())
    return Error::not_found(fmt::format("{} holds no database yet", repository.location()));
  if (names.size() > 1)
    return Error::invalid(fmt::format("{} holds several databases, say which: {}#NAME with {}",
                                      repository.location(), repository.location(), listed()));
  return repository.database(names.front());
}

Result<native::EpochFacts> select_epoch(const Timeline& timeline, std::string_view selector) {
  constexpr std::string_view kLatest = "latest";
  if (selector.empty() || selector == kLatest) return select_latest(timeline, 0);
  if (selector.starts_with("latest~")) {
    const auto steps = whole_number(selector.substr(kLatest.size() + 1));
    if (steps) return select_latest(timeline, *steps);
  } else if (const auto number = whole_number(selector)) {
    return select_by_number(timeline, *number);
  } else if (zlayer::is_epoch_name(selector)) {
    TRY_ASSIGN(const auto facts, find_named(timeline, selector));
    if (facts) return *facts;
    return Error::no_such_epoch(
        fmt::format("no epoch is called {}: {}", printable(selector), what_there_is(timeline)));
  } else if (const auto moment = parse_moment(selector, utc_now())) {
    TRY_ASSIGN(const auto facts, timeline.newest_at(*moment));
    if (facts) return *facts;
    if (!timeline.oldest()) return Error::no_such_epoch(what_there_is(timeline));
    TRY_ASSIGN(const auto oldest, timeline.find(*timeline.oldest()));
    return Error::no_such_epoch(
        fmt::format("nothing was committed at or before {}: the first epoch is {} of {}",
                    format_utc_millis(*moment), timeline.oldest()->get(),
                    oldest ? format_utc_millis(oldest->committed) : "unknown time"));
  }
  return Error::invalid(fmt::format(
      "'{}' is no epoch: write a number, latest, latest~3, a time like 2026-11-20T12:00, or 2h-ago",
      printable(selector)));
}

}  // namespace epochfs::engine
