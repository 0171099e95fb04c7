// Object stores have no locks: of two writers the one whose change comes second loses, and nothing
// of its own is in the repository. Who is to wait for others begins anew then, from what they left.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

#include "engine/core/error.h"

namespace epochfs::engine {

// Each of these lost races is a change of somebody else's. As many in a row are no race: the store
// itself refuses.
constexpr int kLostRacesMax = 50;

// What `run` comes to; with `wait`, begun anew while that is kLocked.
template <class Run>
auto again_after_lost_races(bool wait, const Run& run) -> decltype(run()) {
  constexpr std::chrono::milliseconds kPause(100);
  auto outcome = run();
  for (int lost = 1; wait && lost < kLostRacesMax; ++lost) {
    if (outcome || outcome.error().code != Code::kLocked) break;
    std::this_thread::sleep_for(kPause);
    outcome = run();
  }
  return outcome;
}

}  // namespace epochfs::engine
