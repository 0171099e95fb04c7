#include "engine/core/handle.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace epochfs::engine {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFdTest, ClosesWhatItHolds) {
  int fd = -1;
  {
    const UniqueFd held(open_null());
    fd = held.get();
    EXPECT_TRUE(held);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
  EXPECT_FALSE(UniqueFd());
}

TEST(UniqueFdTest, IsEmptyAfterTheMove) {
  UniqueFd first(open_null());
  const int fd = first.get();
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is the promise
  EXPECT_EQ(second.get(), fd);
  UniqueFd third(open_null());
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), fd);
  EXPECT_FALSE(is_open(replaced));
}

TEST(UniqueFdTest, SurvivesBeingMovedToItself) {
  UniqueFd held(open_null());
  UniqueFd& same = held;
  held = std::move(same);
  EXPECT_TRUE(is_open(held.get()));
}

TEST(UniqueFdTest, LetsGo) {
  UniqueFd held(open_null());
  const int fd = held.release();
  EXPECT_FALSE(held);
  EXPECT_TRUE(is_open(fd));
  const UniqueFd again(fd);
}

TEST(ClosedByTest, CallsTheGivenFunction) {
  static int closed;
  closed = 0;
  constexpr auto kClose = [](const int* value) { closed = *value; };
  int value = 3;
  { const std::unique_ptr<int, ClosedBy<kClose>> held(&value); }
  EXPECT_EQ(closed, 3);
}

}  // namespace
}  // namespace epochfs::engine
