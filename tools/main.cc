#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <typeinfo>
#include <vector>

#include "tools/command_line.h"
#include "tools/mount_helper.h"

namespace {

namespace tools = epochfs::tools;

// A program started with stdout closed would write its answer into the first file that it opens.
// What takes the place cannot be written to, so the answer fails as it should.
void occupy_standard_descriptors() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDONLY);  // inherited, like any standard descriptor
  } while (fd >= 0 && fd <= 2);
  if (fd > 2) ::close(fd);
}

// The usual 1024 are a default for programs that call select(); a mount of many databases needs
// more.
void use_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The standard library's own words leave out what it was about.
std::string text_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return "memory: the system gives no more of it";
  // Those of files derive from it, and name the file.
  const bool is_thread = typeid(error) == typeid(std::system_error);
  return (is_thread ? "starting a thread: " : "") + std::string(error.what());
}

int run(const std::vector<std::string>& words) {
  const std::vector<std::string> arguments(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (!words.empty() && tools::is_mount_helper(words.front()))
    return tools::run_mount_helper(arguments);
  return static_cast<int>(tools::run_command_line(arguments));
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  use_all_descriptors();
  // Services often start programs with SIGPIPE ignored; `epochfs log | head` shall end there too.
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return run({argv, argv + argc});
  } catch (const std::exception& error) {
    tools::tell_failure(epochfs::engine::Error{epochfs::engine::Code::kIo, text_of(error), 0}, "");
    return static_cast<int>(tools::ExitCode::kFailed);
  }
}
