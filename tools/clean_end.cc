#include "tools/clean_end.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "engine/repo/operations.h"

namespace epochfs::tools {
namespace {

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

CleanEnd::CleanEnd() : done_(::eventfd(0, EFD_CLOEXEC)) {
  if (!done_) return;
  auto signals = fs::StopSignals::block(true);
  if (!signals) return;
  signals_.emplace(std::move(*signals));
  watcher_ = std::thread([this] { watch(); });
}

CleanEnd::~CleanEnd() {
  if (!watcher_.joinable()) return;
  ::eventfd_write(done_.get(), 1);
  watcher_.join();
}

void CleanEnd::watch() const {
  std::array<pollfd, 2> wanted = {pollfd{done_.get(), POLLIN, 0},
                                  pollfd{signals_->descriptor(), POLLIN, 0}};
  while (::poll(wanted.data(), wanted.size(), -1) < 0 && errno == EINTR) {
  }
  if (wanted[0].revents != 0) return;
  const int signal = signals_->take();
  if (signal == 0) return;
  engine::remove_temporary_copies();
  end_by(signal);
}

}  // namespace epochfs::tools
