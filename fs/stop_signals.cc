#include "fs/stop_signals.h"

#include <sys/signalfd.h>

#include <cerrno>

namespace epochfs::fs {

using engine::Result;
using engine::UniqueFd;

Result<StopSignals> StopSignals::block(bool with_terminal) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  if (with_terminal) ::sigaddset(&signals, SIGHUP);
  UniqueFd descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) return engine::Error::from_errno(errno, "signalfd");
  sigset_t before;
  if (const int failure = ::pthread_sigmask(SIG_BLOCK, &signals, &before); failure != 0)
    return engine::Error::from_errno(failure, "blocking signals");
  if (!with_terminal) static_cast<void>(::signal(SIGHUP, SIG_IGN));
  return StopSignals(std::move(descriptor), before, !with_terminal);
}

StopSignals::~StopSignals() {
  if (!signals_) return;  // moved from
  if (ignores_hangup_) static_cast<void>(::signal(SIGHUP, SIG_DFL));
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int StopSignals::take() const noexcept {
  signalfd_siginfo information{};
  const ssize_t size = ::read(signals_.get(), &information, sizeof information);
  return size == sizeof information ? static_cast<int>(information.ssi_signo) : 0;
}

}  // namespace epochfs::fs
