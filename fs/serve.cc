#include "fs/serve.h"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>

#include "engine/core/text.h"
#include "fs/background.h"
#include "fs/log.h"
#include "fs/mount_point.h"
#include "fs/session.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;
using engine::UniqueFd;

namespace {

// Paths as they will mean the same when the process has left its working directory.
Result<MountOptions> with_absolute_paths(MountOptions options) {
  TRY_ASSIGN(options.mountpoint, check_mountpoint(options.mountpoint));
  if (options.log_file.empty()) return options;
  std::error_code failure;
  const std::filesystem::path log_file = std::filesystem::absolute(options.log_file, failure);
  if (failure)
    return Error::from_errno(failure.value(), "log file " + engine::printable(options.log_file));
  options.log_file = log_file.string();
  // Its own server would wait for itself.
  TRY(check_apart(options.mountpoint, options.log_file, "log file"));
  return options;
}

Result<void> start_log_file(const MountOptions& options, const engine::Repository& repository) {
  const bool named = !options.log_file.empty();
  const std::string file =
      named ? options.log_file
            : (std::filesystem::path(repository.cache_directory()) / "mount.log").string();
  const auto where = [] { return std::string("log file (log=FILE names another)"); };
  return with_context(log_to_file(file), where);
}

// Each thread would have an arena of its own: blocks that one brings into the cache and another
// drives out leave their memory where nobody uses it, and the cache takes its budget several times
// over.
void share_one_arena() { ::mallopt(M_ARENA_MAX, 1); }

// `ready` is called when the tree is mounted and about to be served.
Result<void> serve_here(const MountOptions& options, const std::string& database,
                        const OpenRepository& open, const std::function<Result<void>()>& ready) {
  // Whoever reads what is said on stderr, or waits for the mount, may be gone before it.
  static_cast<void>(::signal(SIGPIPE, SIG_IGN));
  TRY_ASSIGN(const StopSignals signals, StopSignals::block(options.foreground));
  std::optional<EndsBySignal> ends(std::in_place, signals);  // nothing is there to take away yet
  TRY_ASSIGN(const auto repository, open());
  TRY(check_apart(options.mountpoint, repository->location(), "repository"));
  TRY(check_apart(options.mountpoint, repository->cache_directory(), "cache directory"));
  TRY_ASSIGN(UniqueFd claim, claim_mountpoint(options.mountpoint));
  ends.reset();
  TRY_ASSIGN(const auto session,
             Session::mount(repository, SessionOptions{options.source, database, options.mountpoint,
                                                       options.allow_other}));
  claim.reset();
  if (!options.foreground) TRY(start_log_file(options, *repository));
  if (auto heard = ready(); !heard) {
    spdlog::error("{}", engine::printable(heard.error().text));
    return heard;
  }
  spdlog::info("serving {} on {}", engine::printable(options.source),
               engine::printable(options.mountpoint));
  Result<void> served = session->serve(signals);
  if (!served) spdlog::error("{}", engine::printable(served.error().text));
  spdlog::info("{} is not served any more", engine::printable(options.mountpoint));
  return served;
}

Result<void> wait_for_answer(const std::string& mountpoint) {
  struct stat status {};
  if (::stat(mountpoint.c_str(), &status) == 0) return {};
  return Error::mount(
      Error::from_errno(errno, "mounted, but " + engine::printable(mountpoint) + " does not answer")
          .value()
          .text);
}

}  // namespace

Result<void> serve_repository(const MountOptions& options, const std::string& database,
                              const OpenRepository& open) {
  share_one_arena();
  log_to_stderr();
  TRY_ASSIGN(const MountOptions resolved, with_absolute_paths(options));
  if (resolved.foreground)
    return serve_here(resolved, database, open, [] { return Result<void>(); });
  TRY(run_in_background([&](Readiness& readiness) {
    return serve_here(resolved, database, open, [&] { return readiness.announce(); });
  }));
  return wait_for_answer(resolved.mountpoint);
}

}  // namespace epochfs::fs
