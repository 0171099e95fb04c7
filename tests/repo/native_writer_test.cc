// Writers of one history where no lock keeps them apart, and not every condition may be heeded.
#include "engine/repo/native_writer.h"

#include <gtest/gtest.h>

#include "engine/formats/native/seal.h"
#include "engine/storage/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

constexpr std::uint32_t kPageBytes = 4096;

class RacingNativeWriters : public testing::Test {
 protected:
  RacingNativeWriters() { storage_->keep_no_locks(); }

  NativeWriter open() {
    NativeParts parts;
    parts.storage = storage_;
    auto writer = NativeWriter::open(parts, "app", false);
    EXPECT_TRUE(writer) << writer.error().text;
    if (writer->is_new()) writer->describe(native::Engine::kFile, "app.bin");
    return *std::move(writer);
  }
  static Result<void> commit_full(NativeWriter& writer) {
    const Epoch epoch(writer.last_epoch().get() + 1);
    TRY_ASSIGN(auto segment, writer.begin_full(epoch));
    FullWriter full(*segment.upload, *PageSize::from(kPageBytes), SegmentWriterOptions{});
    TRY(full.append(Bytes(kPageBytes)));
    native::EpochFacts facts;
    facts.epoch = epoch;
    facts.size_bytes = kPageBytes;
    TRY_ASSIGN(const SegmentSummary summary, full.finish(facts));
    return writer.commit(std::move(segment), summary);
  }
  std::size_t segments_stored() {
    const auto listing = storage_->list("app");
    EXPECT_TRUE(listing) << listing.error().text;
    return listing ? listing->objects.size() - 1 : 0;  // without the manifest
  }
  std::size_t segments_named() { return open().manifest().segments.size(); }

  std::shared_ptr<FaultyStorage> storage_ =
      std::make_shared<FaultyStorage>(make_memory_storage("bucket"));
};

TEST_F(RacingNativeWriters, LeaveNothingOfTheLoser) {
  NativeWriter winner = open();
  NativeWriter loser = open();
  ASSERT_TRUE(commit_full(winner));
  const auto lost = commit_full(loser);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kLocked) << lost.error().text;
  EXPECT_EQ(segments_named(), 1U);
  EXPECT_EQ(segments_stored(), 1U);
}

TEST_F(RacingNativeWriters, LeaveASegmentThatMayBeNamed) {
  NativeWriter winner = open();
  NativeWriter loser = open();
  ASSERT_TRUE(commit_full(winner));
  storage_->fail({.operations = {Operation::kOpen}});  // the look after the refusal
  EXPECT_FALSE(commit_full(loser));
  EXPECT_EQ(segments_stored(), 2U);
}

TEST_F(RacingNativeWriters, LoseWhenTheirManifestIsReplacedUnseen) {
  NativeWriter other = open();
  NativeWriter one = open();
  const std::string path = manifest_path("app");
  storage_->meanwhile(Operation::kOpen, [&] {
    ASSERT_TRUE(storage_->remove(path));  // as if the condition of the other did not count
    ASSERT_TRUE(commit_full(other));
  });
  const auto lost = commit_full(one);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kLocked) << lost.error().text;
  EXPECT_EQ(segments_named(), 1U);
}

TEST_F(RacingNativeWriters, WinWhenAnotherHasGoneOnFromTheirs) {
  NativeWriter one = open();
  storage_->meanwhile(Operation::kOpen, [&] {
    NativeWriter other = open();
    ASSERT_TRUE(commit_full(other));
  });
  ASSERT_TRUE(commit_full(one));
  EXPECT_EQ(segments_named(), 2U);
  const auto late = commit_full(one);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kLocked) << late.error().text;
}

TEST_F(RacingNativeWriters, AreDoneWhenOnlyTheLookAtTheManifestFails) {
  NativeWriter writer = open();
  storage_->fail({.operations = {Operation::kOpen}});
  const auto committed = commit_full(writer);
  ASSERT_TRUE(committed) << committed.error().text;
  EXPECT_FALSE(writer.is_new());
  EXPECT_EQ(segments_named(), 1U);
  EXPECT_FALSE(commit_full(writer)) << "it does not know what it would replace";
  EXPECT_EQ(segments_named(), 1U);
}

}  // namespace
}  // namespace epochfs::engine
