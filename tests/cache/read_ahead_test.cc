#include "engine/cache/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <new>

namespace epochfs::engine {
namespace {

TEST(ReadAheadTest, RunsWhatIsScheduled) {
  ReadAhead workers(2);
  std::promise<int> done;
  workers.schedule([&] { done.set_value(42); });
  EXPECT_EQ(done.get_future().get(), 42);
}

TEST(ReadAheadTest, GoesOnAfterATaskThatFails) {
  ReadAhead workers(1);
  std::promise<int> done;
  workers.schedule([] { throw std::bad_alloc(); });
  workers.schedule([&] { done.set_value(42); });
  EXPECT_EQ(done.get_future().get(), 42);
}

TEST(ReadAheadTest, DropsWhatDoesNotFitInsteadOfWaiting) {
  std::atomic<int> ran = 0;
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  {
    ReadAhead workers(1);
    for (int i = 0; i < 10'000; ++i)
      workers.schedule([&ran, open] {
        open.wait();
        ++ran;
      });
    gate.set_value();
  }
  EXPECT_LT(ran, 10'000);
}

TEST(ReadAheadTest, EndsWithoutRunningWhatHasNotBegun) {
  std::atomic<bool> begun = false;
  std::promise<void> gate;
  auto workers = std::make_unique<ReadAhead>(1);
  workers->schedule([&] {
    begun = true;
    gate.get_future().wait();
  });
  while (!begun) std::this_thread::yield();
  std::atomic<bool> second = false;
  workers->schedule([&] { second = true; });
  std::thread release([&] { gate.set_value(); });
  workers.reset();
  release.join();
  // It may have run if the worker was released before the end began, but it never runs afterwards.
  const bool at_end = second;
  std::this_thread::yield();
  EXPECT_EQ(second, at_end);
}

}  // namespace
}  // namespace epochfs::engine
