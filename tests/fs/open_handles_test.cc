#include "fs/open_handles.h"

#include <gtest/gtest.h>

namespace epochfs::fs {
namespace {

class Opened {
 public:
  explicit Opened(int& alive) : alive_(alive) { ++alive_; }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() { --alive_; }

 private:
  int& alive_;
};

TEST(OpenHandlesTest, FindsWhatItHolds) {
  int alive = 0;
  OpenHandles<Opened> handles;
  auto opened = std::make_unique<Opened>(alive);
  const Opened* const address = opened.get();
  const std::uint64_t handle = handles.add(std::move(opened));
  EXPECT_EQ(&OpenHandles<Opened>::at(handle), address);
  EXPECT_EQ(handles.count(), 1U);
}

TEST(OpenHandlesTest, ClosesWhatIsRemoved) {
  int alive = 0;
  OpenHandles<Opened> handles;
  const std::uint64_t handle = handles.add(std::make_unique<Opened>(alive));
  handles.add(std::make_unique<Opened>(alive));
  handles.remove(handle);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(handles.count(), 1U);
}

TEST(OpenHandlesTest, ClosesWhatIsHeldAtTheEnd) {
  int alive = 0;
  {
    OpenHandles<Opened> handles;
    handles.add(std::make_unique<Opened>(alive));
    handles.add(std::make_unique<Opened>(alive));
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace epochfs::fs
