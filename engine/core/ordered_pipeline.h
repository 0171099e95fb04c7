// Work spread over threads whose results come back in the order of the inputs.
//
// Order     consume() sees the results in the order of push(), one at a time, on the thread in
//           push() or finish(); the same inputs give the same calls whatever the number of threads
// Threads   push() and finish() belong to one thread; work() runs on many at once
// Memory    at most `in_flight_max` inputs and results are held; push() waits when there are more
// Errors    the first failure in input order, of work() or consume(), is what push() and finish()
//           return from then on; nothing further is consumed, and work not begun is dropped. An
//           exception out of work() is thrown again by the push() or finish() that meets its result
// Lifetime  destruction drops work not begun and waits for what runs
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::engine {

// Threads to use for `wanted`, where 0 means one per core.
inline unsigned thread_count(unsigned wanted) noexcept {
  return wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
}

template <class In, class Out>
class OrderedPipeline {
 public:
  using Work = std::function<Result<Out>(In&&)>;
  using Consume = std::function<Result<void>(Out&&)>;

  // `threads` 0: one per core. `in_flight_max` is at least 1; twice the threads keeps them busy.
  OrderedPipeline(unsigned threads, std::size_t in_flight_max, Work work, Consume consume)
      : in_flight_max_(std::max<std::size_t>(1, in_flight_max)),
        work_(std::move(work)),
        consume_(std::move(consume)) {
    for (unsigned i = 0; i < thread_count(threads); ++i)
      workers_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
  OrderedPipeline(const OrderedPipeline&) = delete;
  OrderedPipeline& operator=(const OrderedPipeline&) = delete;
  ~OrderedPipeline() { drop_unclaimed(); }  // the workers are stopped and joined by their own end

  Result<void> push(In input) {
    TRY(consume_while([this] { return slots_.size() >= in_flight_max_ || front_is_done(); }));
    {
      const std::lock_guard lock(mutex_);
      slots_.emplace_back(std::move(input));
    }
    slot_added_.notify_one();
    return {};
  }

  // Consumes everything that was pushed. More may be pushed afterwards.
  Result<void> finish() {
    return consume_while([this] { return !slots_.empty(); });
  }

 private:
  struct Slot {
    explicit Slot(In value) : input(std::move(value)) {}

    In input;
    std::optional<Result<Out>> output;
    std::exception_ptr thrown;
    bool done = false;
  };

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (slot_added_.wait(lock, stop, [this] { return claimed_ < slots_.size(); })) {
      Slot& slot = slots_[claimed_++];  // stays in place while others come and go at both ends
      lock.unlock();
      process(slot);
      lock.lock();
      slot.done = true;
      if (front_is_done()) front_done_.notify_one();
    }
  }

  void process(Slot& slot) {
    try {
      In input = std::move(slot.input);  // freed here, not when the result's turn comes
      slot.output.emplace(work_(std::move(input)));
    } catch (...) {
      slot.thrown = std::current_exception();
    }
  }

  // Takes results from the front while `more` holds; it is asked under the lock.
  template <class More>
  Result<void> consume_while(const More& more) {
    if (failure_) return tl::unexpected(*failure_);
    std::unique_lock lock(mutex_);
    while (more()) {
      front_done_.wait(lock, [this] { return front_is_done(); });
      Slot slot = std::move(slots_.front());
      slots_.pop_front();
      --claimed_;
      lock.unlock();
      TRY(consume_slot(std::move(slot)));
      lock.lock();
    }
    return {};
  }

  Result<void> consume_slot(Slot slot) {
    if (slot.thrown) std::rethrow_exception(slot.thrown);
    Result<void> result = std::move(*slot.output).and_then(consume_);
    if (!result) {
      failure_ = result.error();
      drop_unclaimed();
    }
    return result;
  }

  void drop_unclaimed() noexcept {
    const std::lock_guard lock(mutex_);
    while (slots_.size() > claimed_) slots_.pop_back();
  }

  [[nodiscard]] bool front_is_done() const { return !slots_.empty() && slots_.front().done; }

  const std::size_t in_flight_max_;
  const Work work_;
  const Consume consume_;
  std::optional<Error> failure_;  // of the pushing thread

  std::mutex mutex_;  // for what follows; a claimed slot belongs to its worker until it is done
  std::deque<Slot> slots_;   // in input order
  std::size_t claimed_ = 0;  // the first so many are running or done
  std::condition_variable_any slot_added_;
  std::condition_variable front_done_;
  std::vector<std::jthread> workers_;  // last: they end before what they use
};

}  // namespace epochfs::engine
