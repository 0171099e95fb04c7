#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace epochfs::test {
namespace {

using engine::UniqueFd;

int checked(int value, const char* what) {
  if (value < 0) throw std::system_error(errno, std::generic_category(), what);
  return value;
}

// Two ends of a channel: the test reads `ours`, the program writes `theirs`.
struct Channel {
  UniqueFd ours;
  UniqueFd theirs;
};

Channel open_pipe() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Channel open_terminal() {
  UniqueFd ours(checked(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt"));
  checked(::grantpt(ours.get()), "grantpt");
  checked(::unlockpt(ours.get()), "unlockpt");
  std::array<char, 128> name{};
  if (::ptsname_r(ours.get(), name.data(), name.size()) != 0)
    throw std::runtime_error("ptsname_r failed");
  UniqueFd theirs(checked(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC), "open terminal"));
  return {std::move(ours), std::move(theirs)};
}

Channel open_channel(bool terminal) { return terminal ? open_terminal() : open_pipe(); }

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      all[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : changes) all[name] = value;
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> c_strings(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Everything the child needs, made before the fork: after it only plain system calls are safe.
struct Plan {
  std::string program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_directory;
  int input = -1;
  int out = -1;
  int err = -1;
};

[[noreturn]] void become(const Plan& plan, char* const* argv, char* const* envp) {
  constexpr int kCannotStart = 127;
  ::setpgid(0, 0);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!plan.working_directory.empty() && ::chdir(plan.working_directory.c_str()) != 0)
    ::_exit(kCannotStart);
  if (::dup2(plan.input, 0) < 0 || ::dup2(plan.out, 1) < 0 || ::dup2(plan.err, 2) < 0)
    ::_exit(kCannotStart);
  ::execvpe(plan.program.c_str(), argv, envp);
  ::_exit(kCannotStart);
}

// Appends what is there to `text`; closes `fd` at its end (EIO is how a terminal says it).
void take_available(UniqueFd& fd, std::string& text) {
  std::array<char, 64 * 1024> buffer{};
  while (fd) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      if (count == 0 || errno != EAGAIN) fd.reset();
      return;
    }
  }
}

int exit_code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const ProcessOptions& options)
    : options_(options), deadline_(std::chrono::steady_clock::now() + options.timeout) {
  const UniqueFd input(checked(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null"));
  Channel out = open_channel(options.output_is_terminal);
  Channel err = open_channel(options.error_is_terminal);
  if (!options.output_path.empty())
    out.theirs = UniqueFd(
        checked(::open(options.output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                options.output_path.c_str()));

  Plan plan{command.at(0),
            command,
            merged_environment(options.environment),
            options.working_directory,
            input.get(),
            out.theirs.get(),
            err.theirs.get()};
  if (!options.argv0.empty()) plan.arguments[0] = options.argv0;
  const std::vector<char*> argv = c_strings(plan.arguments);
  const std::vector<char*> envp = c_strings(plan.environment);
  pid_ = checked(::fork(), "fork");
  if (pid_ == 0) become(plan, argv.data(), envp.data());

  process_ = UniqueFd(checked(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), "pidfd_open"));
  out_ = std::move(out.ours);
  err_ = std::move(err.ours);
  for (const UniqueFd* fd : {&out_, &err_})
    checked(::fcntl(fd->get(), F_SETFL, ::fcntl(fd->get(), F_GETFL) | O_NONBLOCK), "fcntl");
}

Process::~Process() {
  if (ended_) return;
  kill_group();
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  if (!ended_) ::kill(pid_, number);  // or it may be somebody else's number by now
}

bool Process::said(const std::string& text) const {
  return !text.empty() && (result_.out.find(text) != std::string::npos ||
                           result_.err.find(text) != std::string::npos);
}

void Process::kill_group() const {
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // also when it has not come as far as its own process group
}

void Process::read_until(const std::string& text, std::chrono::steady_clock::time_point time) {
  while (!ended_ && !said(text)) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    // A closed descriptor is -1, which poll() passes over.
    std::array<pollfd, 3> waited = {
        {{process_.get(), POLLIN, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
    ::poll(waited.data(), waited.size(),
           static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    // Reaped before the last look at the pipes: nothing it said can come after that.
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = true;
      result_.exit_code = exit_code_of(status);
    }
    take_available(out_, result_.out);
    take_available(err_, result_.err);
  }
}

bool Process::ends_within(std::chrono::milliseconds time) {
  read_until("", std::chrono::steady_clock::now() + time);
  return ended_;
}

bool Process::wait_for(const std::string& text) {
  read_until(text, deadline_);
  return said(text);
}

ProcessResult Process::wait() {
  read_until("", deadline_);
  if (!ended_) {
    result_.timed_out = true;
    kill_group();
    read_until("", std::chrono::steady_clock::time_point::max());
  }
  return result_;
}

ProcessResult run(const std::vector<std::string>& command, const ProcessOptions& options) {
  return Process(command, options).wait();
}

}  // namespace epochfs::test
