#include "tests/support/shifted_clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

namespace epochfs::test {
namespace {

std::atomic<std::time_t> seconds_ahead = 0;

}  // namespace

ShiftedClock::ShiftedClock(std::chrono::seconds ahead) { seconds_ahead = ahead.count(); }
ShiftedClock::~ShiftedClock() { seconds_ahead = 0; }

}  // namespace epochfs::test

// In place of the C library's, whose names for the parameters nobody else may use.
extern "C" int shifted_clock_gettime(clockid_t clock, timespec* now) __asm__("clock_gettime");

extern "C" int shifted_clock_gettime(clockid_t clock, timespec* now) {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += epochfs::test::seconds_ahead;
  return result;
}
