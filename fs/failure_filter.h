// Lets one failure through once, however often the kernel tries again: a damaged page is asked for
// by the read-ahead, then on its own, and again for every reader that waits for it.
//
// Threads   any
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>

namespace epochfs::fs {

class FailureFilter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kQuiet{10};

  // Whether `text` is news at `now`: not among the last few, or those are `kQuiet` old.
  bool is_news(const std::string& text, Clock::time_point now = Clock::now());

 private:
  struct Seen {
    std::string text;
    Clock::time_point when;
  };

  std::mutex mutex_;
  std::array<Seen, 32> seen_;
  std::size_t next_ = 0;
};

}  // namespace epochfs::fs
