#include "tools/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>

#include "engine/core/text.h"
#include "engine/repo/repository.h"
#include "tools/command.h"

namespace epochfs::tools {
namespace {

using engine::Code;
using engine::Error;

// Help in the manner of this project: names and descriptions, without remarks on types.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(28);
    label("Positionals", "Arguments");
    label("OPTIONS", "options");
  }
  std::string make_description(const CLI::App* app) const override {
    return app->get_description() + "\n\n";
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_positional() || option->get_type_size() == 0) return {};
    return " " + option->get_type_name();
  }
};

std::string overview() {
  std::string text =
      "epochfs: every committed state of a database, as a directory\n\n"
      "Usage: epochfs COMMAND [options] ARGUMENTS\n\n";
  for (const Command& command : commands())
    text += fmt::format("  {:<10}{}\n", command.name, command.summary);
  text +=
      "\n`epochfs COMMAND --help` tells more.\n\n"
      "Sources    REPO  REPO#DATABASE  REPO@SELECTOR  REPO#DATABASE@SELECTOR\n"
      "Selectors  412  latest  latest~3  2026-11-20T12:00 (the last epoch at or before)  2h-ago\n\n"
      "A first walk:\n"
      "  epochfs backup app.db /backups\n"
      "  epochfs mount /backups /mnt\n"
      "  ls /mnt/app/epochs\n"
      "  cp /mnt/app/latest/app.db recovered.db\n"
      "  epochfs umount /mnt\n";
  return text;
}

// Insertions, deletions and replacements that turn one word into the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

const Command* find_command(std::string_view name) {
  const auto all = commands();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Command& c) { return name == c.name; });
  return found == all.end() ? nullptr : &*found;
}

tl::unexpected<Complaint> unknown_command(const std::string& name) {
  if (name.starts_with('-'))
    return advise(Error::invalid(fmt::format("a command comes first, not {}", name)),
                  "epochfs --help");
  const auto all = commands();
  const auto nearest = std::min_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return edit_distance(name, a.name) < edit_distance(name, b.name);
  });
  constexpr std::size_t kNear = 2;
  const bool near = edit_distance(name, nearest->name) <= kNear;
  return advise(Error::invalid(fmt::format("no such command: {}", name)),
                near ? fmt::format("did you mean `epochfs {}`?", nearest->name) : "epochfs --help");
}

// Advice that holds wherever the code comes up in `command`.
std::string default_hint(Code code, const std::string& command) {
  switch (code) {
    case Code::kInvalid:
      return fmt::format("epochfs {}--help", command.empty() ? "" : command + " ");
    case Code::kNoRepository:
      if (command == "copy")
        return "it copies repositories of epochfs alone: what Grafeo or ZLayer keep is plain "
               "objects, "
               "for `cp -a` and the tools of their store";
      return "`epochfs backup DB REPO` makes one with its first backup, `epochfs init REPO` an "
             "empty one";
    case Code::kNoSuchEpoch:
      return "`epochfs log REPO` lists the epochs";
    case Code::kExists:
      return command == "restore" ? "--force replaces it" : "an empty directory, or a new one";
    case Code::kLocked:
      return command == "backup" ? "--wait waits until the other writer is done"
                                 : "again when the other writer is done";
    case Code::kBusy:
      return "again when its users have let go of it";
    case Code::kNoSpace:
      return "again when there is room, which an index also finds in another --cache-dir; what was "
             "stored before is untouched";
    case Code::kCorrupt:
      return command == "backup" ? "" : "`epochfs verify REPO` tells what is damaged";
    case Code::kUnsupported:
      return command == "backup" ? "--engine file stores any file as it is" : "a newer epochfs";
    case Code::kNotFound:
    case Code::kIo:
    case Code::kUnreachable:  // the text itself says what to look at
    case Code::kMount:
      return {};
  }
  return {};
}

void add_common_options(CLI::App& app, Context& context) {
  app.add_option("--cache-dir", context.cache_directory,
                 "where index and caches live (default: $EPOCHFS_CACHE_DIR, then ~/.cache/epochfs)")
      ->type_name("DIR");
  app.add_option("--endpoint-url", context.endpoint_url,
                 "the object store that s3:// is in (default: $AWS_ENDPOINT_URL and AWS's files)")
      ->type_name("URL");
  app.add_flag("--unproven", context.with_unproven,
               "of ZLayer's repositories: also epochs that are right only if no log is missing");
  app.add_flag("-q,--quiet", context.quiet, "no progress, no notes: answers and errors only");
  app.add_flag("-v,--verbose", context.verbose, "more for people, on stderr");
  app.set_help_flag("-h,--help", "this text");
}

// What it cost to ask an object store, if one was asked.
void tell_store_requests(const Context& context) {
  const engine::StoreRequests store = engine::store_requests();
  if (store.total() == 0) return;
  context.detail(fmt::format(
      "store: {} GET, {} HEAD, {} PUT, {} LIST, {} DELETE, {} of them again; {} in, {} out",
      store.gets, store.heads, store.puts, store.lists, store.deletes, store.retries,
      engine::human_bytes(store.bytes_received), engine::human_bytes(store.bytes_sent)));
}

Outcome<ExitCode> run_command(const Command& command, std::vector<std::string> arguments) {
  CLI::App app(command.summary, fmt::format("epochfs {}", command.name));
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag();  // comes last, with what all commands have in common
  Context context;
  const Action action = command.declare(app);
  add_common_options(app, context);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    TRY(write_answer(app.help()));
    return ExitCode::kDone;
  } catch (const CLI::ParseError& error) {
    return Error::invalid(fmt::format("{}: {}", command.name, error.what()));
  }
  if (!context.endpoint_url.empty())
    engine::choose_endpoint_url(context.endpoint_url, "--endpoint-url");
  Outcome<ExitCode> outcome = action(context);
  tell_store_requests(context);
  return outcome;
}

Outcome<ExitCode> run_named(const std::vector<std::string>& arguments) {
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || (name == "help" && arguments.size() == 1)) {
    TRY(write_answer(overview()));
    return ExitCode::kDone;
  }
  if (name == "help") return run_named({arguments[1], "--help"});
  if (name == "--version") return run_named({"version"});
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  return run_command(*command, {arguments.begin() + 1, arguments.end()});
}

}  // namespace

void tell_failure(const Complaint& complaint, const std::string& command) {
  const std::string hint =
      complaint.hint.empty() ? default_hint(complaint.error.code, command) : complaint.hint;
  std::string text = fmt::format("epochfs: {}\n", engine::printable(complaint.error.text));
  if (!hint.empty()) text += fmt::format("  try: {}\n", engine::printable(hint));
  std::fwrite(text.data(), 1, text.size(), stderr);
}

ExitCode run_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    const std::string text = overview();
    std::fwrite(text.data(), 1, text.size(), stderr);
    return ExitCode::kUsage;
  }
  Outcome<ExitCode> outcome = run_named(arguments);
  if (outcome) {
    const auto written = finish_answer();
    // That damage was found, say, is more than that it could not be told.
    if (!written && *outcome != ExitCode::kDone)
      tell_failure(written.error(), "");
    else if (!written)
      outcome = tl::unexpected(Complaint(written.error()));
  }
  if (outcome) return *outcome;
  const bool known = find_command(arguments.front()) != nullptr;
  tell_failure(outcome.error(), known ? arguments.front() : "");
  return exit_code_of(outcome.error().error.code);
}

}  // namespace epochfs::tools
