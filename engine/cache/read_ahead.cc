#include "engine/cache/read_ahead.h"

#include <exception>
#include <system_error>
#include <utility>

namespace epochfs::engine {

ReadAhead::ReadAhead(unsigned threads) {
  try {
    for (unsigned i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // As many as the system gives us, be it none: nobody waits for what they do.
  }
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    tasks_.clear();
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ReadAhead::schedule(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || workers_.empty() || tasks_.size() >= kQueuedMax) return;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ReadAhead::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    try {
      task();
    } catch (const std::exception&) {
      // A favour that could not be done; whoever needs it does it himself and hears why not.
    }
    lock.lock();
  }
}

}  // namespace epochfs::engine
