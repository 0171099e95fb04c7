// Things that are fetched one after another, from somewhere that takes its time for each.
//
// Order     mostly ascending: asking for one has the next ones fetched as well
// Threads   get() belongs to one thread; fetch() runs on others, unless `ahead` is 0
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>

#include "engine/core/error.h"

namespace epochfs::engine {

template <class Value>
class FetchedAhead {
 public:
  using Fetch = std::function<Result<Value>(std::uint32_t number)>;

  // Numbers up to `end`, which is not one of them.
  FetchedAhead(std::uint32_t ahead, std::uint32_t end, Fetch fetch)
      : ahead_(ahead), end_(end), fetch_(std::move(fetch)) {}

  Result<Value> get(std::uint32_t number) {
    if (ahead_ == 0) return fetch_(number);
    under_way_.erase(under_way_.begin(), under_way_.lower_bound(number));
    for (std::uint32_t next = number; next < end_ && next - number <= ahead_; ++next) {
      if (!under_way_.contains(next))
        under_way_.emplace(next, std::async(std::launch::async, fetch_, next));
    }
    auto value = under_way_.at(number).get();
    under_way_.erase(number);
    return value;
  }

 private:
  const std::uint32_t ahead_;
  const std::uint32_t end_;
  const Fetch fetch_;
  std::map<std::uint32_t, std::future<Result<Value>>> under_way_;  // last: waits for what runs
};

}  // namespace epochfs::engine
