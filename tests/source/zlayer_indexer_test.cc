#include "engine/source/zlayer_indexer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "engine/segment/codec.h"
#include "engine/storage/memory_storage.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

// Empty copies of a log: nothing of use, but no damage; what counts is how often they are read.
class ZlayerIndexerTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kCopies = 20;

  ZlayerIndexerTest() {
    const Bytes nothing = *compress_frame({}, 0, 1);
    for (std::uint64_t i = 0; i < kCopies; ++i) put(name(i), nothing);
  }
  static std::string name(std::uint64_t copy) { return fmt::format("wal/{:020}.wal.zst", copy); }
  void put(const std::string& object, ByteView content) {
    const auto upload = storage_->create(object);
    EXPECT_TRUE(upload && (*upload)->append(content) && (*upload)->finish());
  }
  Result<DatabaseRow> take_in(bool again = true) {
    TRY_ASSIGN(const ZlayerListing listing, list_zlayer(*storage_, place_));
    EXPECT_EQ(listing.copies.size(), kCopies);
    return take_in_zlayer(*index_, *storage_, place_, listing, again);
  }

  const TemporaryDirectory directory_;
  const ZlayerPlace place_{"", "app", false};
  std::shared_ptr<FaultyStorage> storage_ = std::make_shared<FaultyStorage>(make_memory_storage());
  std::shared_ptr<PageIndex> index_ =
      *PageIndex::open(directory_ / "index", PageIndex::Kind::kKept);
};

TEST_F(ZlayerIndexerTest, ReadsNothingAgainOfWhatItReadBeforeAFailure) {
  storage_->fail({.operations = {Operation::kOpen},
                  .nth = kCopies,
                  .error = {Code::kUnreachable, "no answer", 0}});
  EXPECT_EQ(take_in().error().code, Code::kUnreachable);
  storage_->heal();
  storage_->reset_counts();
  EXPECT_TRUE(take_in());
  EXPECT_LE(storage_->count({Operation::kOpen}), kCopies / 2);
}

TEST_F(ZlayerIndexerTest, GoesOnWithoutAnObjectThatIsRefusedUntilItIsNot) {
  const Fault refusal = {.operations = {Operation::kRead},
                         .error = {Code::kUnreachable, "archived", EACCES}};
  storage_->fail(refusal);
  const auto row = take_in();
  ASSERT_TRUE(row) << row.error().text;
  const auto is_archived = [](const IndexProblem& problem) { return problem.text == "archived"; };
  EXPECT_EQ(std::ranges::count_if(row->problems, is_archived), 1);
  EXPECT_EQ(*take_in(false), *row);
  storage_->reset_counts();
  const auto later = take_in();
  ASSERT_TRUE(later);
  EXPECT_EQ(std::ranges::count_if(later->problems, is_archived), 0);
  EXPECT_EQ(storage_->count({Operation::kOpen}), 1U) << "only that one";
}

// An answer may have been damaged on its way.
TEST_F(ZlayerIndexerTest, LooksAnewAtWhatWasDamagedWhenItIsAskedTo) {
  ASSERT_TRUE(storage_->remove(name(7)));
  put(name(7), as_bytes("no frame"));
  const auto row = take_in();
  ASSERT_TRUE(row);
  EXPECT_EQ(row->problems.size(), 1U);
  storage_->reset_counts();
  EXPECT_EQ(*take_in(false), *row);
  EXPECT_EQ(storage_->count({Operation::kOpen}), 0U);
  EXPECT_EQ(take_in()->problems, row->problems);
  EXPECT_EQ(storage_->count({Operation::kOpen}), 1U) << "only that one";
}

}  // namespace
}  // namespace epochfs::engine
