// A clock that is wrong, without a hook in the code under test.
#pragma once

#include <chrono>

namespace epochfs::test {

// As long as it exists, the time of day is `ahead` of what it is; files are stamped by the kernel,
// which knows better. One at a time.
class ShiftedClock {
 public:
  explicit ShiftedClock(std::chrono::seconds ahead);
  ShiftedClock(const ShiftedClock&) = delete;
  ShiftedClock& operator=(const ShiftedClock&) = delete;
  ~ShiftedClock();
};

}  // namespace epochfs::test
