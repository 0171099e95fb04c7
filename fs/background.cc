#include "fs/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace epochfs::fs {

using engine::Error;
using engine::Result;
using engine::UniqueFd;

namespace {

constexpr char kReady = 'R';
constexpr char kFailed = 'F';

// verdict, code, errno, text: between two copies of one program on one machine.
constexpr std::size_t kMessageHeader = 2 + sizeof(int);

// False: nobody reads.
bool write_all(int descriptor, const std::string& message) {
  std::size_t sent = 0;
  while (sent < message.size()) {
    const ssize_t count = ::write(descriptor, message.data() + sent, message.size() - sent);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  return true;
}

std::string read_all(int descriptor) {
  std::string message;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return message;
    message.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

Result<void> parse_verdict(const std::string& message) {
  if (message.size() < kMessageHeader)
    return Error::mount("the background process died before the mount was ready");
  if (message[0] == kReady) return {};
  Error error;
  error.code = static_cast<engine::Code>(message[1]);
  std::memcpy(&error.system_errno, message.data() + 2, sizeof(int));
  error.text = message.substr(kMessageHeader);
  return engine::Failure(std::move(error));
}

Result<void> leave_terminal() {
  const UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nowhere) return Error::from_errno(errno, "/dev/null");
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO})  // stderr is the log by now
    if (::dup2(nowhere.get(), standard) < 0) return Error::from_errno(errno, "dup2");
  if (::chdir("/") != 0) return Error::from_errno(errno, "/");
  return {};
}

// Whoever waits for the end of a pipe that the caller has inherited does not wait for the mount's.
void keep_only_standard_descriptors_and(int line) {
  constexpr unsigned kFirst = STDERR_FILENO + 1;
  const auto kept = static_cast<unsigned>(line);
  // Older kernels cannot; then all stay open, as they used to.
  if (kept > kFirst) ::close_range(kFirst, kept - 1, 0);
  ::close_range(kept + 1, ~0U, 0);
}

[[noreturn]] void run_child(const std::function<Result<void>(Readiness&)>& work, UniqueFd line) {
  ::setsid();
  // Not the leader of its session, so that no terminal can become its own; and nobody's child, so
  // that nobody has to wait for it.
  if (const pid_t grandchild = ::fork(); grandchild != 0) ::_exit(grandchild < 0 ? 1 : 0);
  keep_only_standard_descriptors_and(line.get());
  Readiness readiness(std::move(line));
  Result<void> result;
  try {
    result = work(readiness);
  } catch (const std::exception& exception) {
    result = Error::io(exception.what());
  }
  if (!result) readiness.fail(result.error());
  // What the parent had not written out yet is the parent's to write.
  ::_exit(result ? 0 : 1);
}

}  // namespace

Result<void> Readiness::announce() {
  TRY(leave_terminal());
  if (!send(kReady, Error())) return Error::mount("whoever asked for the mount is gone");
  return {};
}

void Readiness::fail(const Error& error) { static_cast<void>(send(kFailed, error)); }

bool Readiness::send(char verdict, const Error& error) {
  if (!line_) return true;  // answered already
  std::string message = {verdict, static_cast<char>(error.code)};
  message.append(sizeof(int), '\0');
  std::memcpy(message.data() + 2, &error.system_errno, sizeof(int));
  const bool is_heard = write_all(line_.get(), message + error.text);
  line_.reset();
  return is_heard;
}

Result<void> run_in_background(const std::function<Result<void>(Readiness&)>& work) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error::from_errno(errno, "fork");
  if (child == 0) {
    reader.reset();
    run_child(work, std::move(writer));
  }
  writer.reset();
  const std::string message = read_all(reader.get());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return parse_verdict(message);
}

}  // namespace epochfs::fs
