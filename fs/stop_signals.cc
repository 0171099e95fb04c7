#include "fs/stop_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>

namespace epochfs::fs {

using engine::Result;
using engine::UniqueFd;

namespace {

// A signal that is blocked arrives even when it is to be ignored.
bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// As if nobody had waited for the signal.
void end_by(int signal) {
  static_cast<void>(::signal(signal, SIG_DFL));
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
}

}  // namespace

Result<StopSignals> StopSignals::block(bool with_terminal) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  if (!with_terminal || !is_ignored(SIGINT)) ::sigaddset(&signals, SIGINT);
  const bool hangup_is_ignored = is_ignored(SIGHUP);
  if (with_terminal && !hangup_is_ignored) ::sigaddset(&signals, SIGHUP);
  UniqueFd descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) return engine::Error::from_errno(errno, "signalfd");
  sigset_t before;
  if (const int failure = ::pthread_sigmask(SIG_BLOCK, &signals, &before); failure != 0)
    return engine::Error::from_errno(failure, "blocking signals");
  const bool ignores_hangup = !with_terminal && !hangup_is_ignored;
  if (ignores_hangup) static_cast<void>(::signal(SIGHUP, SIG_IGN));
  return StopSignals(std::move(descriptor), before, ignores_hangup);
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

EndsBySignal::EndsBySignal(const StopSignals& signals, std::function<void()> at_the_end)
    : signals_(signals), at_the_end_(std::move(at_the_end)), done_(::eventfd(0, EFD_CLOEXEC)) {
  if (done_) watcher_ = std::thread([this] { watch(); });
}

EndsBySignal::~EndsBySignal() {
  if (!watcher_.joinable()) return;
  ::eventfd_write(done_.get(), 1);
  watcher_.join();
}

void EndsBySignal::watch() const {
  std::array<pollfd, 2> wanted = {pollfd{done_.get(), POLLIN, 0},
                                  pollfd{signals_.descriptor(), POLLIN, 0}};
  while (::poll(wanted.data(), wanted.size(), -1) < 0 && errno == EINTR) {
  }
  if (wanted[0].revents != 0) return;
  const int signal = signals_.take();
  if (signal == 0) return;
  if (at_the_end_) at_the_end_();
  end_by(signal);
}

}  // namespace epochfs::fs
