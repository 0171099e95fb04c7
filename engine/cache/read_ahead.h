// Workers that do what somebody will want soon.
//
// Threads   schedule() from any; tasks run on the workers, in order of arrival
// Errors    what a task throws is dropped
// Limits    a full queue drops the new task: read-ahead is a favour, never a duty
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace epochfs::engine {

class ReadAhead {
 public:
  // Where the system allows fewer threads, with those; with none, everything is dropped.
  explicit ReadAhead(unsigned threads);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead();  // drops what has not begun, waits for what has

  void schedule(std::function<void()> task);

 private:
  static constexpr std::size_t kQueuedMax = 64;

  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace epochfs::engine
