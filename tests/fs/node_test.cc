#include "fs/node.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace epochfs::fs {
namespace {

using engine::CalendarDay;
using engine::Epoch;

constexpr std::uint64_t kEpochMax = (std::uint64_t{1} << 34) - 1;

TEST(NodeTest, GivesTheRootNumberOne) { EXPECT_EQ(inode_of(Node{}), kRootInode); }

TEST(NodeTest, ComesBackFromItsNumber) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 10000; ++i) {
    const Node node{static_cast<NodeKind>(random() % 20 + 1),
                    static_cast<std::uint32_t>(random() % (1U << 14)), random() & kEpochMax,
                    static_cast<std::uint32_t>(random() % (1U << 11))};
    const auto inode = inode_of(node);
    ASSERT_TRUE(inode);
    ASSERT_EQ(node_of(*inode), node);
  }
}

TEST(NodeTest, KeepsTheLargestValuesApart) {
  const Node largest{NodeKind::kEpochLines, (1U << 14) - 1, kEpochMax, (1U << 11) - 1};
  ASSERT_TRUE(inode_of(largest));
  EXPECT_EQ(node_of(*inode_of(largest)), largest);
}

TEST(NodeTest, HasRoomForEveryNumberOfTenDigits) {
  EXPECT_TRUE(inode_of(Node::of(NodeKind::kEpoch, 0, Epoch(9'999'999'999))));
}

TEST(NodeTest, HasNoNumberForWhatDoesNotFit) {
  EXPECT_FALSE(inode_of(Node::of(NodeKind::kEpoch, 0, Epoch(kEpochMax + 1))));
  EXPECT_FALSE(inode_of(Node{NodeKind::kEpoch, 1U << 14, 1, 0}));
  EXPECT_FALSE(inode_of(Node{NodeKind::kEpochFile, 0, 1, 1U << 11}));
}

TEST(NodeTest, IsNothingForANumberOfNoKind) {
  EXPECT_FALSE(node_of(0));
  EXPECT_FALSE(node_of(21));
  EXPECT_FALSE(node_of(31));
}

TEST(NodeTest, CarriesADate) {
  const CalendarDay day{2026, 11, 20};
  EXPECT_EQ(Node::of(NodeKind::kDay, 3, day).date(), day);
}

TEST(NodeTest, GoesUpToTheRootFromEveryKind) {
  for (int kind = 1; kind <= 20; ++kind) {
    Node node = Node::of(static_cast<NodeKind>(kind), 5, CalendarDay{2026, 11, 20});
    int steps = 0;
    while (node.kind != NodeKind::kRoot && steps < 10) {
      const Node above = parent_of(node);
      EXPECT_EQ(type_of(above.kind), NodeType::kDirectory);
      node = above;
      ++steps;
    }
    EXPECT_LT(steps, 6) << "kind " << kind;
  }
}

}  // namespace
}  // namespace epochfs::fs
