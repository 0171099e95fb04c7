// The signals that end a process, as something to wait for.
//
// Blocks them for the constructing thread and for every thread that it starts from then on, so that
// they arrive here and nowhere else: construct it before the first other thread. SIGINT and SIGTERM
// always; SIGHUP too with a terminal (its end is the end of a foreground mount), otherwise it is
// ignored. With a terminal, what the process was told to ignore (`nohup`, `&`) stays so.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

#include "engine/core/error.h"
#include "engine/core/handle.h"

namespace epochfs::fs {

class StopSignals {
 public:
  static engine::Result<StopSignals> block(bool with_terminal);
  StopSignals(StopSignals&&) noexcept = default;
  StopSignals& operator=(StopSignals&&) = delete;
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();  // to be destroyed by the thread that made it

  // Becomes readable when a signal is there.
  [[nodiscard]] int descriptor() const noexcept { return signals_.get(); }
  // Consumes one signal and says which; 0: there is none.
  int take() const noexcept;

 private:
  StopSignals(engine::UniqueFd signals, sigset_t before, bool ignores_hangup) noexcept
      : signals_(std::move(signals)), before_(before), ignores_hangup_(ignores_hangup) {}

  engine::UniqueFd signals_;
  sigset_t before_;
  bool ignores_hangup_;
};

// While it lives, the first signal ends the process as ever, after `at_the_end`.
class EndsBySignal {
 public:
  explicit EndsBySignal(const StopSignals& signals, std::function<void()> at_the_end = {});
  EndsBySignal(const EndsBySignal&) = delete;
  EndsBySignal& operator=(const EndsBySignal&) = delete;
  ~EndsBySignal();

 private:
  void watch() const;

  const StopSignals& signals_;
  const std::function<void()> at_the_end_;
  const engine::UniqueFd done_;  // readable when there is nothing left to watch for
  std::thread watcher_;          // none: the system has no descriptor for it
};

}  // namespace epochfs::fs
