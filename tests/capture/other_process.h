// Another program that uses the database: a child process, so that its locks are not ours.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "engine/core/handle.h"

namespace epochfs::test {

class OtherProcess {
 public:
  // `work` gets a function that tells the parent to go on. The constructor returns when it was
  // called, or the child has ended. The child ends with `work`, well if that returned true.
  using Ready = std::function<void()>;
  explicit OtherProcess(const std::function<bool(const Ready&)>& work) {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) ::abort();
    const engine::UniqueFd out(ends[0]);
    engine::UniqueFd in(ends[1]);
    child_ = ::fork();
    if (child_ == 0) be_child(work, in.get());
    in.reset();
    char byte = 0;
    ready_ = ::read(out.get(), &byte, 1) == 1;
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  ~OtherProcess() {
    if (child_ > 0) kill_now();
  }

  [[nodiscard]] bool ready() const noexcept { return ready_; }
  void kill_now() {
    ::kill(child_, SIGKILL);
    join();
  }
  // Its exit status: 0 if `work` went well.
  int join() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return status;
  }
  void ask_to_stop() const { ::kill(child_, SIGTERM); }

 private:
  [[noreturn]] static void be_child(const std::function<bool(const Ready&)>& work, int in) {
    bool good = false;
    try {
      good = work([in] {
        const char byte = 1;
        if (::write(in, &byte, 1) != 1) ::_exit(3);
      });
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(good ? 0 : 1);
  }

  pid_t child_ = -1;
  bool ready_ = false;
};

// For the child, before it is ready: ask_to_stop() does not end it, and interrupts nothing.
class StopSign {
 public:
  StopSign() {
    sigset_t signals{};
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) ::abort();
  }
  [[nodiscard]] bool is_there() const {
    sigset_t pending{};
    return ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGTERM) == 1;
  }
};

// For the child: stays as it is until it is killed.
[[noreturn]] inline void wait_to_be_killed() {
  while (true) ::pause();
}

}  // namespace epochfs::test
