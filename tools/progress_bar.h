// One line on a terminal that says how far a long job is, and vanishes with its object.
//
// Threads   update() from one thread at a time, as engine::Progress promises
// Output    stderr, and only when that is a terminal and the user did not ask for quiet
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/repo/operations.h"
#include "tools/context.h"

namespace epochfs::tools {

class ProgressBar {
 public:
  ProgressBar(const Context& context, std::string label);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  // Feeds this bar, which must outlive the job; empty when there is nobody to look at it.
  [[nodiscard]] engine::Progress progress();

 private:
  using Clock = std::chrono::steady_clock;
  void update(std::uint64_t done_bytes, std::uint64_t total_bytes);
  [[nodiscard]] std::string line(std::uint64_t done_bytes, std::uint64_t total_bytes,
                                 Clock::time_point now) const;

  std::string label_;
  bool enabled_;
  Clock::time_point started_;
  Clock::time_point next_draw_;
};

}  // namespace epochfs::tools
