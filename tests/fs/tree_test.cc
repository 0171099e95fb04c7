#include "fs/tree.h"

#include <gtest/gtest.h>

#include "tests/fs/fake_repository.h"

namespace epochfs::fs {
namespace {

using engine::Code;
using engine::Epoch;
using testing::fake_facts;
using testing::FakeDatabase;
using testing::FakeRepository;
using testing::kNanosPerSecond;
using testing::utc;

class TreeTest : public ::testing::Test {
 protected:
  // Walks down from the top; nullopt where a name does not exist.
  std::optional<Found> walk(std::initializer_list<std::string_view> names) {
    Node node = tree_.node(kRootInode).value();
    std::optional<Found> found;
    for (const std::string_view name : names) {
      found = tree_.lookup(node, name).value();
      if (!found) return std::nullopt;
      node = found->node;
    }
    return found;
  }
  Node at(std::initializer_list<std::string_view> names) {
    const auto found = walk(names);
    EXPECT_TRUE(found);
    return found ? found->node : Node{};
  }
  std::string link(std::initializer_list<std::string_view> names) {
    const auto target = tree_.link_target(at(names));
    return target ? *target : target.error().text;
  }
  std::vector<std::string> names_in(std::initializer_list<std::string_view> names) {
    return all_names(*tree_.list(at(names)).value());
  }
  static std::vector<std::string> all_names(const Listing& listing) {
    std::vector<std::string> names;
    std::uint64_t position = 0;
    for (;;) {
      const auto entries = listing.from(position, 7).value();
      if (entries.empty()) return names;
      for (const ListedEntry& entry : entries) {
        names.push_back(entry.name);
        position = entry.next;
      }
    }
  }

  const std::shared_ptr<FakeRepository> repository_ = std::make_shared<FakeRepository>();
  const std::shared_ptr<FakeDatabase> app_ = repository_->add(
      "app", {fake_facts(3, utc("2025-12-31T23:59:59")), fake_facts(4, utc("2026-11-20")),
              fake_facts(7, utc("2026-11-20T12:00:03"))});
  const std::shared_ptr<FakeDatabase> empty_ = repository_->add("empty", {});
  Databases databases_{repository_};
  Tree tree_{databases_, Node{}, utc("2030-01-01")};
};

using Names = std::vector<std::string>;

TEST_F(TreeTest, HasTheDatabasesAtItsRoot) {
  EXPECT_EQ(all_names(*tree_.list(Node{}).value()), (Names{"app", "empty"}));
  EXPECT_FALSE(walk({"missing"}));
}

TEST_F(TreeTest, HasTheFourWaysToAnEpochInADatabase) {
  EXPECT_EQ(names_in({"app"}), (Names{"latest", "epochs", "recent", "by-time"}));
  EXPECT_TRUE(walk({"app", ".epochfs"}));
  EXPECT_FALSE(walk({"app", "tags"}));
}

TEST_F(TreeTest, ListsEpochsUnderPaddedNamesOnly) {
  EXPECT_EQ(names_in({"app", "epochs"}), (Names{"0000000003", "0000000004", "0000000007"}));
}

TEST_F(TreeTest, FindsAnEpochUnderBothOfItsNames) {
  const Node padded = at({"app", "epochs", "0000000004"});
  const Node unpadded = at({"app", "epochs", "4"});
  EXPECT_EQ(padded.epoch(), Epoch(4));
  EXPECT_EQ(unpadded.epoch(), Epoch(4));
  EXPECT_NE(tree_.inode(padded), tree_.inode(unpadded));
  EXPECT_EQ(at({"app", "epochs", "4", "app.db"}), at({"app", "epochs", "0000000004", "app.db"}));
}

TEST_F(TreeTest, FindsRealEpochsOnly) {
  EXPECT_FALSE(walk({"app", "epochs", "0000000005"}));
  EXPECT_FALSE(walk({"app", "epochs", "5"}));
  EXPECT_FALSE(walk({"app", "epochs", "04"}));
  EXPECT_FALSE(walk({"app", "epochs", "17179869184"}));
}

TEST_F(TreeTest, ShowsTheFilesOfTheView) {
  EXPECT_EQ(names_in({"app", "epochs", "7"}),
            (Names{"app.db", "app.db-wal", "app.db-shm", "epoch.json"}));
  const auto found = walk({"app", "epochs", "7", "app.db"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attributes.size_bytes, 300'000U);
  EXPECT_EQ(found->attributes.modified, utc("2026-11-20T12:00:03"));
  EXPECT_FALSE(walk({"app", "epochs", "7", "app.db-journal"}));
}

TEST_F(TreeTest, ShowsTheDirectoryOfAView) {
  app_->has_logs = true;
  EXPECT_EQ(names_in({"app", "epochs", "7"}), (Names{"app.db", "app.db.logs", "epoch.json"}));
  EXPECT_EQ(names_in({"app", "epochs", "7", "app.db.logs"}), (Names{"1.log", "2.log"}));
  const auto folder = walk({"app", "epochs", "0000000007", "app.db.logs"});
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->attributes.type, NodeType::kDirectory);
  EXPECT_EQ(folder->attributes.modified, utc("2026-11-20T12:00:03"));
  EXPECT_EQ(tree_.attributes(folder->node)->type, NodeType::kDirectory);
  EXPECT_EQ(tree_.parent(folder->node), at({"app", "epochs", "0000000007"}));
  const auto log = walk({"app", "epochs", "7", "app.db.logs", "1.log"});
  ASSERT_TRUE(log);
  EXPECT_EQ(log->attributes.size_bytes, 5000U);
  EXPECT_EQ(tree_.open(log->node)->path, "app/epochs/0000000007/app.db.logs/1.log");
  EXPECT_FALSE(walk({"app", "epochs", "7", "1.log"}));
  EXPECT_FALSE(walk({"app", "epochs", "7", "app.db.logs", "app.db"}));
  EXPECT_FALSE(walk({"app", "epochs", "7", "app.db.logs", "app.db.logs"}));
}

TEST_F(TreeTest, HasADirectoryOfAViewOnceUnderEachNameOfTheEpoch) {
  app_->has_logs = true;
  const Node padded = at({"app", "epochs", "0000000007", "app.db.logs"});
  const Node unpadded = at({"app", "epochs", "7", "app.db.logs"});
  EXPECT_NE(tree_.inode(padded), tree_.inode(unpadded));
  EXPECT_EQ(tree_.parent(unpadded), at({"app", "epochs", "7"}));
  EXPECT_EQ(at({"app", "epochs", "7", "app.db.logs", "2.log"}),
            at({"app", "epochs", "0000000007", "app.db.logs", "2.log"}));
}

TEST_F(TreeTest, HasNoDirectoryBehindANumberThatNamesAFile) {
  app_->has_logs = true;
  Node wrong = at({"app", "epochs", "7", "app.db.logs"});
  wrong.file = 0;
  EXPECT_FALSE(tree_.list(wrong));
  EXPECT_FALSE(tree_.lookup(wrong, "app.db"));
  wrong.file = 99;
  EXPECT_FALSE(tree_.list(wrong));
}

TEST_F(TreeTest, PointsToTheNewestEpoch) {
  EXPECT_EQ(link({"app", "latest"}), "epochs/0000000007");
  app_->append(fake_facts(8, utc("2026-11-21")));
  EXPECT_EQ(link({"app", "latest"}), "epochs/0000000008");
  EXPECT_EQ(names_in({"app", "epochs"}).back(), "0000000008");
}

TEST_F(TreeTest, PointsFromRecentNamesToTheirEpochs) {
  EXPECT_EQ(names_in({"app", "recent"}),
            (Names{"0000000003_2025-12-31T23-59-59.000Z", "0000000004_2026-11-20T00-00-00.000Z",
                   "0000000007_2026-11-20T12-00-03.000Z"}));
  EXPECT_EQ(link({"app", "recent", "0000000004_2026-11-20T00-00-00.000Z"}), "../epochs/0000000004");
  EXPECT_FALSE(walk({"app", "recent", "0000000004_2026-11-20T00-00-00.001Z"}));
}

TEST_F(TreeTest, ListsTheLastHundredAsRecent) {
  repository_->add("long", testing::fake_history(250, utc("2026-01-01"), kNanosPerSecond));
  const Names names = names_in({"long", "recent"});
  ASSERT_EQ(names.size(), 100U);
  EXPECT_TRUE(names.front().starts_with("0000000151_"));
  EXPECT_TRUE(names.back().starts_with("0000000250_"));
}

TEST_F(TreeTest, IsBrowsableByTime) {
  EXPECT_EQ(names_in({"app", "by-time"}), (Names{"2025", "2026"}));
  EXPECT_EQ(names_in({"app", "by-time", "2026"}), Names{"11"});
  EXPECT_EQ(names_in({"app", "by-time", "2026", "11"}), Names{"20"});
  EXPECT_EQ(names_in({"app", "by-time", "2026", "11", "20"}),
            (Names{"00-00-00.000Z_0000000004", "12-00-03.000Z_0000000007"}));
  EXPECT_EQ(link({"app", "by-time", "2026", "11", "20", "12-00-03.000Z_0000000007"}),
            "../../../../epochs/0000000007");
}

TEST_F(TreeTest, HasNoDateWithoutEpochs) {
  EXPECT_FALSE(walk({"app", "by-time", "2024"}));
  EXPECT_FALSE(walk({"app", "by-time", "2026", "10"}));
  EXPECT_FALSE(walk({"app", "by-time", "2026", "13"}));
  EXPECT_FALSE(walk({"app", "by-time", "2026", "11", "21"}));
  EXPECT_FALSE(walk({"app", "by-time", "2026", "11", "31"}));
  EXPECT_FALSE(walk({"app", "by-time", "2026", "11", "20", "23-59-59.000Z_0000000003"}));
}

TEST_F(TreeTest, FindsTheEpochAtOrBeforeAMoment) {
  EXPECT_EQ(link({"app", "by-time", "2026-11-20"}), "../epochs/0000000004");
  EXPECT_EQ(link({"app", "by-time", "2026-11-20T12:00"}), "../epochs/0000000004");
  EXPECT_EQ(link({"app", "by-time", "2026-11-20T12-00-03.000Z"}), "../epochs/0000000007");
  EXPECT_EQ(link({"app", "by-time", "2026-11-20T14:00:03+02:00"}), "../epochs/0000000007");
  EXPECT_EQ(link({"app", "by-time", "2026-01-01"}), "../epochs/0000000003");
  EXPECT_FALSE(walk({"app", "by-time", "2025-01-01"}));
  EXPECT_FALSE(walk({"app", "by-time", "yesterday-ish"}));
}

TEST_F(TreeTest, IsEmptyButWholeWithoutEpochs) {
  EXPECT_EQ(names_in({"empty"}), (Names{"epochs", "recent", "by-time"}));
  EXPECT_TRUE(names_in({"empty", "epochs"}).empty());
  EXPECT_TRUE(names_in({"empty", "recent"}).empty());
  EXPECT_TRUE(names_in({"empty", "by-time"}).empty());
  EXPECT_FALSE(walk({"empty", "latest"}));
  EXPECT_FALSE(walk({"empty", "by-time", "now"}));
  EXPECT_EQ(walk({"empty", "epochs"})->attributes.modified, utc("2030-01-01"));
}

TEST_F(TreeTest, KeepsAListingWhenEpochsArrive) {
  const auto listing = tree_.list(at({"app", "epochs"})).value();
  app_->append(fake_facts(8, utc("2026-11-21")));
  EXPECT_EQ(all_names(*listing), (Names{"0000000003", "0000000004", "0000000007"}));
}

TEST_F(TreeTest, ListsAMillionEpochsInChunksWithoutAView) {
  constexpr std::uint64_t kCount = 1'000'000;
  const auto long_one =
      repository_->add("long", testing::fake_history(kCount, utc("2020-01-01"), kNanosPerSecond));
  const auto listing = tree_.list(at({"long", "epochs"})).value();
  std::uint64_t position = 0;
  std::uint64_t seen = 0;
  for (;;) {
    const auto entries = listing->from(position, 1000).value();
    if (entries.empty()) break;
    ASSERT_LE(entries.size(), 1000U);
    for (const ListedEntry& entry : entries) {
      ASSERT_EQ(entry.node.epoch(), Epoch(++seen));
      ASSERT_TRUE(entry.attributes);
    }
    position = entries.back().next;
  }
  EXPECT_EQ(seen, kCount);
  EXPECT_EQ(long_one->fake_timeline()->listed, kCount);
  EXPECT_EQ(long_one->views, 0U);
}

TEST_F(TreeTest, ReportsWhatTheStorageLostAsDamage) {
  const Node epoch = at({"app", "epochs", "7"});
  app_->damage->views_missing = true;
  const auto result = tree_.lookup(epoch, "app.db");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kCorrupt);
  EXPECT_EQ(result.error().text, "app/epochs/0000000007: full-1.db.zst: no such object");
}

TEST_F(TreeTest, SaysThatAStaleNodeIsGone) {
  at({"app"});
  const auto result = tree_.attributes(Node::of(NodeKind::kEpoch, 0, Epoch(99)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kNoSuchEpoch);
  EXPECT_FALSE(tree_.attributes(Node::of(NodeKind::kEpochs, 77)));
}

TEST_F(TreeTest, PutsOneDatabaseOnTop) {
  at({"app"});
  const Tree tree(databases_, Node::of(NodeKind::kDatabase, 0), utc("2030-01-01"));
  const Node top = tree.node(kRootInode).value();
  EXPECT_EQ(top.kind, NodeKind::kDatabase);
  EXPECT_EQ(tree.inode(top), kRootInode);
  EXPECT_EQ(tree.parent(top), top);
  const auto epochs = tree.lookup(top, "epochs").value();
  ASSERT_TRUE(epochs);
  EXPECT_EQ(tree.parent(epochs->node), top);
}

TEST_F(TreeTest, AddsUpWhatIsStored) {
  EXPECT_EQ(tree_.stored_bytes(at({"app"})).value(), 30'000U);
  EXPECT_EQ(tree_.stored_bytes(Node{}).value(), 30'000U);
}

TEST_F(TreeTest, GivesUpWhatItShowedOfAHistoryThatWasReplaced) {
  const Node before = at({"app", "epochs", "4", "app.db"});
  ASSERT_TRUE(tree_.open(before));
  app_->replace({fake_facts(4, utc("2026-11-21"))});
  EXPECT_EQ(tree_.open(before).error().code, Code::kNotFound);
  EXPECT_EQ(tree_.attributes(before).error().code, Code::kNotFound);
  const Node now = at({"app", "epochs", "4", "app.db"});
  EXPECT_NE(tree_.inode(now), tree_.inode(before));
  EXPECT_TRUE(tree_.open(now));
  EXPECT_EQ(now, at({"app", "epochs", "4", "app.db"}));
  EXPECT_EQ(all_names(*tree_.list(Node{}).value()), (Names{"app", "empty"}));
  EXPECT_EQ(databases_.opened().size(), 1U);
}

TEST_F(TreeTest, StaysOnTopWhenTheHistoryIsReplaced) {
  Databases databases(repository_);
  ASSERT_EQ(databases.find("app").value(), 0U);
  const Tree tree(databases, Node::of(NodeKind::kDatabase, 0), utc("2030-01-01"));
  const auto epochs = [&] {
    return tree.lookup(tree.node(kRootInode).value(), "epochs").value()->node;
  };
  const Node before = epochs();
  app_->replace({fake_facts(4, utc("2026-11-21"))});
  EXPECT_NE(epochs(), before);
  EXPECT_EQ(tree.inode(tree.parent(epochs())), kRootInode);
  EXPECT_EQ(tree.attributes(before).error().code, Code::kNotFound);
  EXPECT_TRUE(tree.attributes(epochs()));
}

}  // namespace
}  // namespace epochfs::fs
