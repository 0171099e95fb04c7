// A value that follows something outside: looked at anew when it is asked for, at most every 100
// ms, or every second where looking means to ask an object store.
//
// Threads   any. While one looks, the others get the value before
// Failures  of a look leave the last value in force; failure() tells of the newest one. The next
//           look comes no sooner after it than it took to fail
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/core/error.h"
#include "engine/storage/storage.h"

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

// How old an answer may be. A look at an object store costs its owner money.
inline std::chrono::milliseconds look_interval(const Storage& storage) noexcept {
  return std::chrono::milliseconds(storage.is_remote() ? 1'000 : 100);
}
// The same for what a directory is simply asked for each time.
inline std::chrono::milliseconds listing_interval(const Storage& storage) noexcept {
  return storage.is_remote() ? look_interval(storage) : std::chrono::milliseconds(0);
}

// An answer, which may be a failure, that is given again for as long as `interval` says.
//
// Threads   any. While one asks, the others wait for his answer
// Failures  are given again for as long as it took to get them, if that is longer: a storage that
//           does not answer costs its deadline at each attempt
template <class Value>
class Recent {
 public:
  explicit Recent(std::chrono::milliseconds interval) : interval_(interval) {}

  // `ask()` gives Result<Value>.
  template <class Ask>
  Result<Value> get(const Ask& ask) {
    const std::lock_guard lock(mutex_);
    const auto began = std::chrono::steady_clock::now();
    if (!answer_ || began - asked_ >= valid_) {
      answer_ = ask();
      asked_ = std::chrono::steady_clock::now();
      valid_ = *answer_ ? interval_ : std::max(interval_, asked_ - began);
    }
    return *answer_;
  }

 private:
  const std::chrono::steady_clock::duration interval_;
  std::mutex mutex_;
  std::optional<Result<Value>> answer_;
  std::chrono::steady_clock::time_point asked_;
  std::chrono::steady_clock::duration valid_{};
};

// Names for which nothing was found, and for how long that is believed.
//
// Threads   any
class AbsentNames {
 public:
  explicit AbsentNames(std::chrono::milliseconds interval) : interval_(interval) {}

  [[nodiscard]] bool contains(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(name);
    return found != names_.end() && std::chrono::steady_clock::now() - found->second < interval_;
  }
  void add(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (names_.size() >= kNamesMax) names_.clear();
    names_[name] = std::chrono::steady_clock::now();
  }

 private:
  static constexpr std::size_t kNamesMax = 1'000;

  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> names_;
};

template <class Value>
class Refreshed {
 public:
  using Pointer = std::shared_ptr<const Value>;
  // The value as of now; the one before (null at first) when it is still the same.
  using Look = std::function<Result<Pointer>(const Pointer& before)>;

  Refreshed(std::chrono::milliseconds interval, Look look)
      : interval_(interval), look_(std::move(look)), wait_(interval_) {}

  // Before anything else, once: fails when there is no first value.
  Result<Pointer> first() {
    TRY_ASSIGN(value_, look_(nullptr));
    looked_ = std::chrono::steady_clock::now();
    return value_;
  }

  // Instead of first(), with a value that is at hand.
  void begin_with(Pointer value) {
    value_ = std::move(value);
    looked_ = std::chrono::steady_clock::now();
  }

  Pointer current() {
    if (auto value = fresh_enough()) return value;
    const std::unique_lock looking(look_mutex_, std::try_to_lock);
    if (!looking) return last();
    if (auto value = fresh_enough()) return value;
    const auto began = std::chrono::steady_clock::now();
    auto news = look_(last());
    const std::lock_guard lock(mutex_);
    looked_ = std::chrono::steady_clock::now();
    wait_ = news ? interval_ : std::max(interval_, looked_ - began);
    failure_ = news ? std::string() : news.error().text;
    if (news) value_ = *std::move(news);
    return value_;
  }

  [[nodiscard]] std::string failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  Pointer fresh_enough() {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::now() - looked_ < wait_ ? value_ : nullptr;
  }
  Pointer last() {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  const std::chrono::steady_clock::duration interval_;
  const Look look_;
  std::mutex look_mutex_;  // held while looking; taken before mutex_
  std::mutex mutex_;       // guards what follows
  Pointer value_;
  std::chrono::steady_clock::time_point looked_;
  std::chrono::steady_clock::duration wait_;  // after that, until the next look
  std::string failure_;
};

}  // namespace epochfs::engine
