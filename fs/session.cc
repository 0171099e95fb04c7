#include "fs/session.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include "engine/core/text.h"
#include "fs/filesystem.h"
#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/mount_table.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;

namespace {

// The library tells why it failed to its log only; this keeps the last thing it said.
class LibraryMessages {
 public:
  static void start() { fuse_set_log_func(note); }
  static std::string last() {
    const std::scoped_lock lock(mutex());
    return text();
  }

 private:
  static void note(fuse_log_level /*level*/, const char* format, va_list arguments) {
    std::array<char, 1024> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    const std::scoped_lock lock(mutex());
    text() = line.data();
    while (text().ends_with('\n')) text().pop_back();
  }
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::string& text() {
    static std::string instance;
    return instance;
  }
};

class FuseArguments {
 public:
  FuseArguments() { fuse_opt_add_arg(&arguments_, "epochfs"); }
  FuseArguments(const FuseArguments&) = delete;
  FuseArguments& operator=(const FuseArguments&) = delete;
  ~FuseArguments() { fuse_opt_free_args(&arguments_); }

  // One option, whatever commas its value has.
  void add(const std::string& option) {
    char* escaped = nullptr;
    if (fuse_opt_add_opt_escaped(&escaped, option.c_str()) != 0) throw std::bad_alloc();
    fuse_opt_add_arg(&arguments_, "-o");
    fuse_opt_add_arg(&arguments_, escaped);
    std::free(escaped);
  }
  fuse_args* get() { return &arguments_; }

 private:
  fuse_args arguments_ = FUSE_ARGS_INIT(0, nullptr);
};

void add_options(FuseArguments& arguments, const SessionOptions& options) {
  for (const char* option : {"ro", "nosuid", "nodev", "default_permissions", "subtype=epochfs"})
    arguments.add(option);
  arguments.add("fsname=" + options.source);
  if (options.allow_other) arguments.add("allow_other");
}

engine::Failure mount_failure(const SessionOptions& options) {
  const bool may_lack_right = options.allow_other && ::geteuid() != 0;
  // What fusermount3 has to say goes to stderr without passing through here.
  std::string why = LibraryMessages::last();
  if (why.empty()) why = "fusermount3 refused, or is not there (package fuse3 has it)";
  return Error::mount(
      fmt::format("cannot mount on {}: {}{}", options.mountpoint, why,
                  may_lack_right ? " (allow_other needs user_allow_other in /etc/fuse.conf)" : ""));
}

// The library's loop waits for a semaphore and looks whether it is to end only when a signal
// interrupts that; this one does nothing else.
constexpr int kWakeSignal = SIGUSR1;

class WakeSignal {
 public:
  WakeSignal() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(kWakeSignal, &action, &before_);
  }
  WakeSignal(const WakeSignal&) = delete;
  WakeSignal& operator=(const WakeSignal&) = delete;
  ~WakeSignal() { ::sigaction(kWakeSignal, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

using LoopConfig = std::unique_ptr<fuse_loop_config, engine::ClosedBy<fuse_loop_cfg_destroy>>;

// The kernel reads twice as far ahead of who reads a file through as it does by itself: copying one
// takes some 6 % less time (reading further, no less). Only root may say so.
void widen_read_ahead(const std::string& device) {
  constexpr int kKiB = 256;
  std::ofstream("/sys/class/bdi/" + device + "/read_ahead_kb") << kKiB;
}

bool readable(int descriptor, int timeout_ms) {
  pollfd wanted{descriptor, POLLIN, 0};
  return ::poll(&wanted, 1, timeout_ms) > 0;
}

}  // namespace

Session::Session(std::unique_ptr<Filesystem> filesystem, std::string mountpoint)
    : filesystem_(std::move(filesystem)), mountpoint_(std::move(mountpoint)) {}

Result<std::unique_ptr<Session>> Session::mount(std::shared_ptr<engine::Repository> repository,
                                                const SessionOptions& options) {
  Node top;
  if (!options.database.empty()) top = Node::of(NodeKind::kDatabase, 0);
  auto filesystem = std::make_unique<Filesystem>(std::move(repository), options.source, top);
  if (!options.database.empty()) {
    TRY_ASSIGN(const auto number, filesystem->databases.find(options.database));
    if (!number) return Error::not_found("no database " + options.database);
  }
  LibraryMessages::start();
  FuseArguments arguments;
  add_options(arguments, options);
  std::unique_ptr<Session> session(new Session(std::move(filesystem), options.mountpoint));
  session->session_ = fuse_session_new(arguments.get(), &handlers(), sizeof(fuse_lowlevel_ops),
                                       session->filesystem_.get());
  if (session->session_ == nullptr) return mount_failure(options);
  if (fuse_session_mount(session->session_, options.mountpoint.c_str()) != 0)
    return mount_failure(options);
  TRY_ASSIGN(const auto place, mounted_at(options.mountpoint));
  if (place) session->device_ = place->device;
  return session;
}

Session::~Session() {
  if (session_ == nullptr) return;
  // The library unmounts by name, and the place may be somebody else's by now.
  const auto place = mounted_at(mountpoint_);
  if (place && (!*place || (!detached_ && (*place)->device == device_)))
    fuse_session_unmount(session_);
  fuse_session_destroy(session_);
}

Result<void> Session::serve(const StopSignals& signals) {
  const engine::UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  if (!done) return Error::from_errno(errno, "eventfd");
  const WakeSignal wake_signal;
  const LoopConfig config(fuse_loop_cfg_create());
  if (!config) throw std::bad_alloc();
  std::thread watcher([&, server = ::pthread_self()] { watch(signals, done.get(), server); });
  const int failure = fuse_session_loop_mt(session_, config.get());
  ::eventfd_write(done.get(), 1);
  watcher.join();
  // Once detached, the kernel ends the connection with the last file, be it among requests.
  if (failure == -ECONNABORTED && detached_) return {};
  // This is how the library says it, not a number of the system's.
  if (failure == -1) return Error::mount("serving " + mountpoint_ + ": no thread could be started");
  if (failure < 0) return Error::from_errno(-failure, "serving " + mountpoint_);
  return {};
}

// Runs beside the loop until `done` is readable.
void Session::watch(const StopSignals& signals, int done, pthread_t server) {
  constexpr int kLookEveryMs = 50;
  std::array<pollfd, 2> wanted = {pollfd{done, POLLIN, 0}, pollfd{signals.descriptor(), POLLIN, 0}};
  // With the first request, the kernel has made up its mind how far it reads ahead by itself.
  bool is_widened = false;
  for (;;) {
    const int ready = ::poll(wanted.data(), wanted.size(), is_widened ? -1 : kLookEveryMs);
    if (ready > 0) break;
    if (ready < 0 || is_widened || !filesystem_->counters.any_request()) continue;
    widen_read_ahead(device_);
    is_widened = true;
  }
  if (wanted[0].revents != 0) return;
  signals.take();
  if (const auto detached = detach(); !detached)
    spdlog::error("cannot detach {}: {}", engine::printable(mountpoint_),
                  engine::printable(detached.error().text));
  if (const std::uint64_t open_files = filesystem_->open_files.count(); open_files > 0)
    spdlog::warn("{} still open and served until closed; a second signal ends it",
                 open_files == 1 ? "1 file is" : fmt::format("{} files are", open_files));
  while (filesystem_->open_files.count() > 0 && !readable(signals.descriptor(), kLookEveryMs))
    if (readable(done, 0)) return;
  end_loop(done, server);
}

Result<void> Session::detach() {
  TRY_ASSIGN(const auto places, mount_table());
  const MountedPlace* ours = nullptr;
  const MountedPlace* top = nullptr;
  for (const MountedPlace& place : places) {
    if (place.mountpoint != mountpoint_) continue;
    top = &place;
    if (place.device == device_) ours = &place;
  }
  if (ours != nullptr && ours != top)
    return Error::busy(fmt::format("{} is mounted on top of it", top->source));
  if (ours != nullptr) TRY(unmount(mountpoint_, true));
  detached_ = true;  // by whoever else, if not by us
  return {};
}

void Session::end_loop(int done, pthread_t server) {
  constexpr int kAgainAfterMs = 10;  // the signal may have come just before the loop went to wait
  fuse_session_exit(session_);
  do {
    ::pthread_kill(server, kWakeSignal);
  } while (!readable(done, kAgainAfterMs));
}

}  // namespace epochfs::fs
