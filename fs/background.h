// A process that goes on after the one that started it got its answer.
#pragma once

#include <functional>

#include "engine/core/error.h"
#include "engine/core/handle.h"

namespace epochfs::fs {

// The background process's end of the line to the process that waits for it.
class Readiness {
 public:
  explicit Readiness(engine::UniqueFd line) noexcept : line_(std::move(line)) {}

  // Ready: leaves the terminal, but for stderr, which is the work's to send to its log, and the
  // working directory, and lets the other process go. kMount: it has not waited; nobody is told.
  // SIGPIPE must be ignored.
  engine::Result<void> announce();
  void fail(const engine::Error& error);

 private:
  [[nodiscard]] bool send(char verdict, const engine::Error& error);

  engine::UniqueFd line_;
};

// Runs `work` in a new process outside of this one's session, and waits until it announces that it
// is ready, fails, or dies. To be called before this process has other threads. `work` returns in
// the background process only, which ends with it.
engine::Result<void> run_in_background(
    const std::function<engine::Result<void>(Readiness& readiness)>& work);

}  // namespace epochfs::fs
