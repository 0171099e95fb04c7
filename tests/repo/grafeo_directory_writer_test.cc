// Two writers of one backup directory of Grafeo's, where no lock keeps them apart.
#include "engine/repo/grafeo_directory_writer.h"

#include <gtest/gtest.h>

#include "engine/storage/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

class RacingGrafeoWriters : public testing::Test {
 protected:
  RacingGrafeoWriters() { storage_->keep_no_locks(); }

  std::unique_ptr<GrafeoDirectoryWriter> open() {
    auto writer = GrafeoDirectoryWriter::open(storage_, GrafeoWriter::Lock::kTake);
    EXPECT_TRUE(writer) << writer.error().text;
    return writer ? *std::move(writer) : nullptr;
  }
  static void begin(GrafeoWriter& writer, std::string_view content) {
    grafeo::SegmentEntry full;
    full.end_epoch = Epoch(1);
    const auto begun = writer.begin(full);
    ASSERT_TRUE(begun) << begun.error().text;
    ASSERT_TRUE(writer.append(as_bytes(content)));
  }
  std::string stored(const grafeo::SegmentEntry& entry) {
    const auto content = storage_->get(entry.filename, 100);
    EXPECT_TRUE(content) << content.error().text;
    return content ? std::string(as_text(content->bytes)) : "";
  }

  std::shared_ptr<FaultyStorage> storage_ =
      std::make_shared<FaultyStorage>(make_memory_storage("bucket"));
};

TEST_F(RacingGrafeoWriters, TakeNothingFromTheOneWhoWon) {
  const auto winner = open();
  const auto loser = open();
  begin(*winner, "the winner's");
  const auto won = winner->commit(grafeo::Generation::kV2);
  ASSERT_TRUE(won) << won.error().text;
  begin(*loser, "the loser's");
  const auto lost = loser->commit(grafeo::Generation::kV2);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kLocked) << lost.error().text;
  const auto manifest = open()->manifest();
  ASSERT_EQ(manifest.segments.size(), 1U);
  EXPECT_EQ(stored(manifest.segments[0]), "the winner's");
}

// Another one may have gone on before the first has looked at what he wrote.
TEST_F(RacingGrafeoWriters, DoNotTakeTheManifestOfAnotherForTheirOwn) {
  const auto one = open();
  begin(*one, "one");
  storage_->meanwhile(Operation::kOpen, [&] {
    const auto other = open();
    begin(*other, "two");
    ASSERT_TRUE(other->commit(grafeo::Generation::kV2));
  });
  ASSERT_TRUE(one->commit(grafeo::Generation::kV2));
  begin(*one, "three");
  const auto late = one->commit(grafeo::Generation::kV2);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kLocked) << late.error().text;
  const auto manifest = open()->manifest();
  ASSERT_EQ(manifest.segments.size(), 2U);
  EXPECT_EQ(stored(manifest.segments[0]), "one");
  EXPECT_EQ(stored(manifest.segments[1]), "two");
}

}  // namespace
}  // namespace epochfs::engine
