// Every row of the table that tells a continued log from a lost one.
#include "engine/capture/continuity.h"

#include <gtest/gtest.h>

namespace epochfs::test {
namespace {

using engine::Continuity;
using engine::FileStamp;
using engine::KnownState;
using engine::WalIndexState;

constexpr FileStamp kStamp = {1, 2, 4096, 500, 600};

struct Situation {
  KnownState known;
  WalIndexState now;
  FileStamp stamp = kStamp;
};

// A cursor at frame 10 of a log with salts (7, 8); the log is still there, 12 frames long.
Situation usual() {
  Situation situation;
  situation.known.newest.epoch = engine::Epoch(3);
  engine::native::Cursor cursor;
  cursor.epoch = engine::Epoch(3);
  cursor.device = kStamp.device;
  cursor.inode = kStamp.inode;
  cursor.size_bytes = kStamp.size_bytes;
  cursor.has_wal = true;
  cursor.position = {7, 8, 4, 10};
  cursor.checksum1 = 100;
  cursor.checksum2 = 200;
  situation.known.cursor = cursor;
  situation.now.header.salts = {7, 8};
  situation.now.header.last_frame = 12;
  return situation;
}

struct Row {
  std::string name;
  std::function<void(Situation&)> change;
  Continuity wanted;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> rows = {
      {"LongerLog", [](Situation&) {}, Continuity::kContinues},
      {"SameFrameAndChecksum",
       [](Situation& s) {
         s.now.header.last_frame = 10;
         s.now.header.checksum = {100, 200};
       },
       Continuity::kUnchanged},
      {"SameFrameOtherChecksum", [](Situation& s) { s.now.header.last_frame = 10; },
       Continuity::kUnknown},
      {"ShorterLog", [](Situation& s) { s.now.header.last_frame = 9; }, Continuity::kUnknown},
      {"EmptyLogSameSalts", [](Situation& s) { s.now.header.last_frame = 0; },
       Continuity::kUnknown},
      {"NoCursor", [](Situation& s) { s.known.cursor.reset(); }, Continuity::kUnknown},
      {"CursorOfAnotherEpoch", [](Situation& s) { s.known.newest.epoch = engine::Epoch(4); },
       Continuity::kUnknown},
      {"OtherFile", [](Situation& s) { s.stamp.inode = 99; }, Continuity::kUnknown},
      {"RestartedOnce",
       [](Situation& s) {
         s.now.header.salts = {8, 55};
       },
       Continuity::kRestarted},
      {"RestartedTwice",
       [](Situation& s) {
         s.now.header.salts = {9, 55};
       },
       Continuity::kUnknown},
      {"RestartedOverTheEndOfNumbers",
       [](Situation& s) {
         s.known.cursor->position.salt1 = 0xffffffff;
         s.now.header.salts = {0, 55};
       },
       Continuity::kRestarted},
      {"NewLogUntouchedFile",
       [](Situation& s) {
         s.known.cursor->mtime_ns = kStamp.mtime_ns;
         s.known.cursor->ctime_ns = kStamp.ctime_ns;
         s.now.header.salts = {70, 80};
       },
       Continuity::kFromStart},
      {"NewLogUntouchedFileButCopied",
       [](Situation& s) {
         s.known.cursor->mtime_ns = kStamp.mtime_ns;
         s.known.cursor->ctime_ns = kStamp.ctime_ns;
         s.now.header.salts = {70, 80};
         s.now.backfilled = 1;
       },
       Continuity::kUnknown},
      {"NewLogTouchedFile",
       [](Situation& s) {
         s.known.cursor->mtime_ns = kStamp.mtime_ns;
         s.known.cursor->ctime_ns = kStamp.ctime_ns - 1;
         s.now.header.salts = {70, 80};
       },
       Continuity::kUnknown},
      {"NoLogUntouchedFile",
       [](Situation& s) {
         s.known.cursor->mtime_ns = kStamp.mtime_ns;
         s.known.cursor->ctime_ns = kStamp.ctime_ns;
         s.known.cursor->has_wal = false;
         s.now.header = {};
       },
       Continuity::kUnchanged},
      {"NoLogUntrustedStamp",
       [](Situation& s) {
         s.known.cursor->has_wal = false;
         s.now.header = {};
       },
       Continuity::kUnknown},
      {"FirstLogUntouchedFile",
       [](Situation& s) {
         s.known.cursor->mtime_ns = kStamp.mtime_ns;
         s.known.cursor->ctime_ns = kStamp.ctime_ns;
         s.known.cursor->has_wal = false;
       },
       Continuity::kFromStart},
  };
  return rows;
}

class ContinuityTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ContinuityTest, IsJudged) {
  const Row& row = rows()[GetParam()];
  Situation situation = usual();
  row.change(situation);
  const engine::Verdict verdict = judge(situation.known, situation.now, situation.stamp);
  EXPECT_EQ(verdict.continuity, row.wanted) << row.name << ": " << verdict.reason;
  EXPECT_EQ(verdict.reason.empty(), row.wanted != Continuity::kUnknown);
}

INSTANTIATE_TEST_SUITE_P(Rows, ContinuityTest, ::testing::Range(std::size_t{0}, rows().size()),
                         [](const auto& row) { return rows()[row.param].name; });

TEST(FileStampTest, TellsNothingBeforeTheClockHasTicked) {
  const FileStamp fine = {1, 2, 3, 5'000'000'001, 5'000'000'001};
  EXPECT_FALSE(settled(fine, engine::UtcTime(5'000'000'001)));
  EXPECT_FALSE(settled(fine, engine::UtcTime(5'100'000'001)));
  EXPECT_TRUE(settled(fine, engine::UtcTime(5'100'000'002)));
  EXPECT_FALSE(settled(fine, engine::UtcTime(4'000'000'000)));
  const FileStamp coarse = {1, 2, 3, 5'000'000'000, 5'000'000'000};
  EXPECT_FALSE(settled(coarse, engine::UtcTime(7'000'000'000)));
  EXPECT_TRUE(settled(coarse, engine::UtcTime(7'000'000'001)));
}

}  // namespace
}  // namespace epochfs::test
