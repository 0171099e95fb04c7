// A value that follows something outside: looked at anew when it is asked for, at most every 100
// ms.
//
// Threads   any. While one looks, the others get the value before
// Failures  of a look leave the last value in force; failure() tells of the newest one
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "engine/core/error.h"

namespace epochfs::engine {

// Does what depends on a manifest; kBusy says that it was replaced meanwhile, then once more.
template <class Work>
auto with_newest_manifest(const Work& work) {
  constexpr int kTries = 20;
  auto done = work();
  for (int tries = 1; !done && done.error().code == Code::kBusy && tries < kTries; ++tries)
    done = work();
  return done;
}

template <class Value>
class Refreshed {
 public:
  using Pointer = std::shared_ptr<const Value>;
  // The value as of now; the one before (null at first) when it is still the same.
  using Look = std::function<Result<Pointer>(const Pointer& before)>;

  explicit Refreshed(Look look) : look_(std::move(look)) {}

  // Before anything else, once: fails when there is no first value.
  Result<Pointer> first() {
    TRY_ASSIGN(value_, look_(nullptr));
    looked_ = std::chrono::steady_clock::now();
    return value_;
  }

  Pointer current() {
    if (auto value = fresh_enough()) return value;
    const std::unique_lock looking(look_mutex_, std::try_to_lock);
    if (!looking) return last();
    if (auto value = fresh_enough()) return value;
    auto news = look_(last());
    const std::lock_guard lock(mutex_);
    looked_ = std::chrono::steady_clock::now();
    failure_ = news ? std::string() : news.error().text;
    if (news) value_ = *std::move(news);
    return value_;
  }

  [[nodiscard]] std::string failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  static constexpr std::chrono::milliseconds kLookInterval{100};

  Pointer fresh_enough() {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::now() - looked_ < kLookInterval ? value_ : nullptr;
  }
  Pointer last() {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  const Look look_;
  std::mutex look_mutex_;  // held while looking; taken before mutex_
  std::mutex mutex_;       // guards what follows
  Pointer value_;
  std::chrono::steady_clock::time_point looked_;
  std::string failure_;
};

}  // namespace epochfs::engine
