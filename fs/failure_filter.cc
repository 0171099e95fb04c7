#include "fs/failure_filter.h"

namespace epochfs::fs {

bool FailureFilter::is_news(const std::string& text, Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  for (const Seen& seen : seen_)
    if (seen.text == text && now - seen.when < kQuiet) return false;
  seen_[next_] = {text, now};
  next_ = (next_ + 1) % seen_.size();
  return true;
}

}  // namespace epochfs::fs
