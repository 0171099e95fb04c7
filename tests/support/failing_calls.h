// System calls that fail on demand, without a hook in the code under test.
#pragma once

#include <functional>
#include <vector>

namespace epochfs {

struct FailingCall {
  int number = 0;        // SYS_fsync
  int error_number = 0;  // EIO
  // Only when argument number `argument` has one of these bits; 0: always.
  unsigned bits = 0;
  unsigned argument = 0;
};

// Runs `body` on a thread of its own, on which (and on whose children) these calls fail without
// being made, from the first to the last. Throws std::system_error where the kernel would not.
void with_failing_calls(const std::vector<FailingCall>& calls, const std::function<void()>& body);

}  // namespace epochfs
