// Which epochs a backup directory of Grafeo's has, and what they are, byte for byte.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "engine/source/grafeo_source.h"
#include "engine/source/history.h"
#include "engine/storage/local_storage.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

using grafeo::Generation;
using test::GrafeoBuilder;
using Numbers = std::set<std::uint64_t>;

std::string bytes_of(const Pieces& pieces) {
  std::string bytes;
  for (const Piece& piece : pieces) bytes += as_text(piece.bytes);
  return bytes;
}

class GrafeoIndexerTest : public testing::Test {
 protected:
  GrafeoBuilder builder(Generation generation) { return {directory_ / "db", generation}; }

  // As the first look of a process does it.
  DatabaseRow take_in() {
    const auto content = storage_->get(place_.object(grafeo::kManifestFile), 1 << 20);
    EXPECT_TRUE(content);
    const auto manifest = grafeo::parse_manifest(content->bytes);
    EXPECT_TRUE(manifest) << manifest.error().text;
    const auto row = take_in_grafeo(*index_, *storage_, place_, *manifest, content->version, true);
    EXPECT_TRUE(row) << row.error().text;
    return row ? *row : DatabaseRow{};
  }

  std::vector<EpochRow> rows_of(const DatabaseRow& row) {
    return *index_->read()->epochs(row.number, Epoch(0), kEpochMax, 10'000);
  }

  Numbers epochs(const DatabaseRow& row) {
    Numbers numbers;
    for (const EpochRow& epoch : rows_of(row)) numbers.insert(epoch.facts.epoch.get());
    EXPECT_EQ(numbers.size(), row.epoch_count);
    return numbers;
  }

  void expect_epoch(const DatabaseRow& row, std::uint64_t number,
                    const GrafeoBuilder::Expected& expected) {
    SCOPED_TRACE("epoch " + std::to_string(number));
    const GrafeoSource source(storage_, index_, place_);
    const auto at = source.context(row.number, Epoch(number));
    ASSERT_TRUE(at) << at.error().text;
    const auto image = source.read_image(*at, {0, at->base.image_bytes});
    ASSERT_TRUE(image) << image.error().text;
    EXPECT_TRUE(bytes_of(*image) == expected.image);
    EXPECT_EQ(at->has_log(), !expected.log.empty());
    EXPECT_EQ(at->row.facts.size_bytes, expected.image.size() + expected.log.size());
    EXPECT_EQ(at->row.facts.pages_changed, expected.records);
    EXPECT_EQ(at->row.facts.commits_folded, expected.transactions);
    EXPECT_EQ(at->row.facts.log_bytes, expected.bytes);
    if (!at->has_log()) return;
    EXPECT_EQ(at->log_name(), expected.log_name);
    ASSERT_EQ(at->log_file_bytes(), expected.log.size());
    expect_log(source, *at, expected.log);
  }

  // Whole, and in ranges that begin and end anywhere.
  static void expect_log(const GrafeoSource& source, const GrafeoEpoch& at,
                         const std::string& log) {
    const auto whole = source.read_log(at, {0, log.size()});
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_TRUE(bytes_of(*whole) == log);
    for (std::uint64_t size : {1U, 7U, 50U, 200U}) {
      for (std::uint64_t begin = 0; begin < log.size(); begin += 13) {
        const ByteRange range{begin, std::min<std::uint64_t>(size, log.size() - begin)};
        const auto part = source.read_log(at, range);
        ASSERT_TRUE(part) << part.error().text;
        ASSERT_EQ(bytes_of(*part), log.substr(begin, range.size)) << begin << " " << size;
      }
    }
  }

  void expect_all(const DatabaseRow& row, const GrafeoBuilder& from, const Numbers& missing = {}) {
    Numbers wanted;
    for (const auto& [number, expected] : from.expected())
      if (!missing.contains(number)) wanted.insert(number);
    EXPECT_EQ(epochs(row), wanted);
    for (const std::uint64_t number : wanted) expect_epoch(row, number, from.expected().at(number));
  }

  static void expect_problem(const DatabaseRow& row, const std::string& object,
                             const std::string& text, std::uint64_t first, std::uint64_t last) {
    for (const IndexProblem& problem : row.problems) {
      if (problem.object != object || problem.text.find(text) == std::string::npos) continue;
      EXPECT_EQ(problem.first_lost, Epoch(first)) << problem.text;
      EXPECT_EQ(problem.last_lost, Epoch(last)) << problem.text;
      return;
    }
    std::string all;
    for (const IndexProblem& problem : row.problems)
      all += problem.object + ": " + problem.text + "\n";
    ADD_FAILURE() << "no problem of " << object << " says: " << text << "\n" << all;
  }

  TemporaryDirectory directory_;
  const std::shared_ptr<Storage> storage_ = open_local_storage(directory_.path());
  const std::shared_ptr<PageIndex> index_ = *PageIndex::open(directory_ / "cache");
  const GrafeoPlace place_{"db", "db"};
};

class GrafeoChainTest : public GrafeoIndexerTest, public testing::WithParamInterface<Generation> {
 protected:
  GrafeoBuilder builder() { return GrafeoIndexerTest::builder(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Generations, GrafeoChainTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

TEST_P(GrafeoChainTest, OffersTheEndOfAFullAndEveryEpochOfTheLog) {
  GrafeoBuilder db = builder();
  db.commit(3).full().commit(4).incremental().commit().incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{3, 4, 5, 6, 7, 8}));
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_P(GrafeoChainTest, OffersAnEmptyDatabaseAtEpochZero) {
  GrafeoBuilder db = builder();
  db.full().commit(2).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{0, 1, 2}));
  expect_all(row, db);
}

TEST_P(GrafeoChainTest, StartsAnewAtEveryFull) {
  GrafeoBuilder db = builder();
  db.commit(3).full().commit(2).incremental().full();  // 5 in both: it stays what it was
  db.commit(2).incremental().commit(3).full().commit().incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{3, 4, 5, 6, 7, 10, 11}));
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_P(GrafeoChainTest, TakesInWhatIsAddedAlone) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(2).incremental();
  const DatabaseRow before = take_in();
  expect_all(before, db);
  db.commit(2).incremental();
  const DatabaseRow after = take_in();
  EXPECT_EQ(after.number, before.number);
  expect_all(after, db);
}

TEST_P(GrafeoChainTest, TakesInAnotherHistoryAnew) {
  const DatabaseRow before = [&] {
    GrafeoBuilder db = builder();
    db.commit(2).full().commit(2).incremental();
    return take_in();
  }();
  GrafeoBuilder other(directory_ / "db", GetParam(), 2);
  other.commit(1).full().commit(1).incremental();
  const DatabaseRow after = take_in();
  EXPECT_NE(after.number, before.number);
  expect_all(after, other);
}

TEST_P(GrafeoChainTest, LooksAnewAtAnObjectThatWasReplaced) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(2).incremental();
  const DatabaseRow before = take_in();
  std::filesystem::copy(db.file(1), db.file(1) + ".copy");
  std::filesystem::rename(db.file(1) + ".copy", db.file(1));
  const GrafeoSource source(storage_, index_, place_);
  const auto at = source.context(before.number, Epoch(4));
  ASSERT_TRUE(at);
  const auto read = source.read_log(*at, {0, at->log_file_bytes()});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kCorrupt);
  EXPECT_NE(read.error().text.find("changed since it was indexed"), std::string::npos);
  expect_all(take_in(), db);
}

TEST_P(GrafeoChainTest, EndsTheChainAtAnIncrementalThatIsGone) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().commit(2).incremental().commit(2).incremental();
  db.full().commit(1).incremental();
  std::filesystem::remove(db.file(2));
  const DatabaseRow row = take_in();
  // 7 is in the second full alone now.
  EXPECT_EQ(epochs(row), (Numbers{1, 2, 3, 7, 8}));
  expect_epoch(row, 3, db.expected().at(3));
  expect_epoch(row, 8, db.expected().at(8));
  expect_problem(row, "backup_incr_0002.wal", "", 4, 5);
  expect_problem(row, "backup_incr_0003.wal", "the chain that it continues is broken", 6, 6);
}

TEST_P(GrafeoChainTest, KeepsWhatItKnowsOfADirectoryWithDamage) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().commit(2).incremental();
  std::filesystem::rename(db.file(1), db.file(1) + ".away");
  const DatabaseRow damaged = take_in();
  EXPECT_EQ(epochs(damaged), Numbers{1});
  EXPECT_EQ(take_in(), damaged);
  std::filesystem::rename(db.file(1) + ".away", db.file(1));
  expect_all(take_in(), db);
}

TEST_P(GrafeoChainTest, EndsTheChainAtAnIncrementalThatTheManifestLacks) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().commit(2).incremental().commit(2).incremental();
  db.manifest().segments.erase(db.manifest().segments.begin() + 2);
  db.save_manifest();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{1, 2, 3}));
  expect_problem(row, "backup_incr_0003.wal", "", 6, 7);
}

TEST_P(GrafeoChainTest, RefusesAnIncrementalWithAnotherCrc) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().commit(1).incremental();
  db.manifest().segments[1].crc32 ^= 1;
  db.save_manifest();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), Numbers{1});
  expect_problem(row, "backup_incr_0001.wal", "CRC", 2, 3);
}

TEST_P(GrafeoChainTest, RefusesAnIncrementalWhoseEpochsTheManifestTellsOtherwise) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental();
  db.manifest().segments[1].end_epoch = Epoch(7);
  db.save_manifest();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), Numbers{1});
  expect_problem(row, "backup_incr_0001.wal", "says epochs 2 to 3, the manifest says 2 to 7", 2, 7);
}

TEST_P(GrafeoChainTest, ServesFromTheChainBeforeWhenAFullIsGone) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().full();
  const auto reached = db.expected();
  db.commit(2).incremental();
  std::filesystem::remove(db.file(2));
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{1, 2, 3, 4, 5}));
  for (const auto& [number, expected] : reached) expect_epoch(row, number, expected);
  const auto at = GrafeoSource(storage_, index_, place_).context(row.number, Epoch(5));
  ASSERT_TRUE(at);
  EXPECT_EQ(at->base.filename, "backup_full_0000.grafeo");
  expect_problem(row, "backup_full_0002.grafeo", "", 0, 0);
}

TEST_P(GrafeoChainTest, ServesNothingAcrossAHoleWhenAFullIsGone) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(2).incremental().commit(1).full().commit(2).incremental();
  std::filesystem::remove(db.file(2));
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{1, 2, 3}));
  expect_problem(row, "backup_full_0002.grafeo", "", 4, 4);
  expect_problem(row, "backup_incr_0003.wal", "", 5, 6);
}

TEST_P(GrafeoChainTest, RefusesAFullOfAnotherSize) {
  GrafeoBuilder db = builder();
  db.commit(1).full();
  std::ofstream(db.file(0), std::ios::app) << "x";
  expect_problem(take_in(), "backup_full_0000.grafeo", "the manifest says", 1, 1);
}

TEST_P(GrafeoChainTest, RefusesAFullThatIsOfAnotherEpoch) {
  GrafeoBuilder db = builder();
  db.commit(5).full();
  db.manifest().segments[0].end_epoch = Epoch(6);
  db.save_manifest();
  const DatabaseRow row = take_in();
  EXPECT_EQ(row.epoch_count, 0U);
  expect_problem(row, "backup_full_0000.grafeo", "is an image of epoch 5, the manifest says 6", 6,
                 6);
}

TEST_P(GrafeoChainTest, RefusesAnIncrementalWithoutAFull) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(1).incremental();
  db.manifest().segments.erase(db.manifest().segments.begin());
  db.save_manifest();
  expect_problem(take_in(), "backup_incr_0001.wal", "no usable full lies below it", 2, 2);
}

TEST_P(GrafeoChainTest, OpensNoNameThatIsAPath) {
  GrafeoBuilder db = builder();
  db.commit(1).full().commit(1).full();
  std::filesystem::copy(db.file(0), directory_ / "outside");
  for (const std::string name : {"../outside", "/etc/passwd", "..", "", "a/b", ".hidden"}) {
    db.manifest().segments[0].filename = name;
    std::ofstream(directory_ / "db/backup_manifest.json")
        << R"({"version":2,"segments":[{"kind":"Full","filename":")" << name
        << R"(","start_epoch":0,"end_epoch":1,"checksum":1,"size_bytes":)"
        << db.manifest().segments[0].size_bytes << R"(,"created_at_ms":0}]})";
    EXPECT_EQ(take_in().epoch_count, 0U) << name;
  }
}

TEST_P(GrafeoChainTest, FollowsNoLink) {
  GrafeoBuilder db = builder();
  db.commit(1).full();
  std::filesystem::rename(db.file(0), directory_ / "elsewhere");
  std::filesystem::create_symlink(directory_ / "elsewhere", db.file(0));
  expect_problem(take_in(), "backup_full_0000.grafeo", "symbolic link", 1, 1);
}

TEST_P(GrafeoChainTest, NeverLetsTimesRunBackwards) {
  GrafeoBuilder db = builder();
  db.commit(1).full();
  db.manifest().segments[0].created = grafeo::UnixMillis(1'900'000'000'000);
  db.commit(2).incremental();
  const DatabaseRow row = take_in();
  UtcTime before;
  for (const EpochRow& epoch : rows_of(row)) {
    EXPECT_GE(epoch.facts.committed, before);
    EXPECT_GE(epoch.facts.captured, epoch.facts.committed);
    before = epoch.facts.committed;
  }
  EXPECT_EQ(before, to_utc(grafeo::UnixMillis(1'900'000'000'000)));
}

TEST_P(GrafeoChainTest, KeepsNumbersThatWereUsedBefore) {
  GrafeoBuilder db = builder();
  db.commit(5).full().commit(2).incremental();
  const auto first = db.expected();
  GrafeoBuilder again(directory_ / "again", GetParam(), 7);
  again.commit(2).full();
  // The counting began anew: a full of epoch 2 behind epoch 7.
  std::filesystem::copy(again.file(0), directory_ / "db/backup_full_0009.grafeo");
  db.manifest().segments.push_back(again.manifest().segments[0]);
  db.manifest().segments.back().filename = "backup_full_0009.grafeo";
  db.save_manifest();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{5, 6, 7}));
  for (const auto& [number, expected] : first) expect_epoch(row, number, expected);
  expect_problem(row, "backup_full_0009.grafeo", "numbers that were used before", 0, 0);
}

// --- v1 alone ---

TEST_F(GrafeoIndexerTest, KeepsAbortsAndOpenTransactionsInAV1Log) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).abort().commit(1).abort().incremental();
  db.commit(1).incremental();  // what was open at the end of the first file counts here
  expect_all(take_in(), db);
}

TEST_F(GrafeoIndexerTest, GivesAV1CommitWithoutAnEpochToTheNextOne) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).commit_without_epoch().incremental();
  EXPECT_EQ(epochs(take_in()), (Numbers{2, 3}));
  db.commit(1).incremental();
  const DatabaseRow row = take_in();
  expect_all(row, db);
  EXPECT_EQ((*index_->read()->epoch(row.number, Epoch(4)))->facts.commits_folded, 2U);
}

TEST_F(GrafeoIndexerTest, EndsAV1EpochWithTheLastFrameThatTellsIt) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).commit_without_epoch().advance_to(3).commit(1).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3, 4}));
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, OffersNoV1EpochBehindAGreaterOne) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).advance_to(6).advance_to(4).advance_to(7).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3, 6, 7}));
  expect_all(row, db);
  expect_problem(row, "backup_incr_0001.wal", "goes back from epoch 6 to 4", 0, 0);
}

TEST_F(GrafeoIndexerTest, RefusesAV1LogWhoseFirstEpochIsMissing) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).lose_log().commit(2).incremental().commit(1).incremental();
  db.full();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 6}));
  expect_problem(row, "backup_incr_0001.wal", "begins with epoch 4 instead of 3", 3, 5);
  expect_problem(row, "backup_incr_0002.wal", "broken", 0, 0);
}

TEST_F(GrafeoIndexerTest, TakesAV1IncrementalWithoutEpochs) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().abort().incremental().commit(1).incremental();
  const DatabaseRow row = take_in();
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, BelievesTheManifestWhenAV1ImageSaysNoEpoch) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.full().commit(1).incremental();
  db.manifest().segments[0].end_epoch = Epoch(0);
  EXPECT_EQ(epochs(take_in()), (Numbers{0, 1}));
  db.manifest().segments[0].end_epoch = Epoch(4);
  db.save_manifest();
  EXPECT_EQ(epochs(take_in()), Numbers{4});
}

TEST_F(GrafeoIndexerTest, OffersTheV1EpochsBeforeDamageThatWasBackedUp) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(2).garbage("this is no frame at all").commit(1).incremental();
  db.commit(1).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3, 4}));
  expect_epoch(row, 4, db.expected().at(4));
  expect_problem(row, "backup_incr_0001.wal", "its log is damaged at byte", 5, 5);
  expect_problem(row, "backup_incr_0002.wal", "broken", 6, 6);
}

// --- v2 alone ---

TEST_F(GrafeoIndexerTest, JoinsTheSegmentsOfAV2Log) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(2).sync().rotate().commit(1).rotate().commit(2).sync().incremental();
  db.commit(1).incremental().rotate().commit(1).sync().incremental();
  const DatabaseRow row = take_in();
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, EndsAV2EpochBeforeTheFirstGroupOfAGreaterOne) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(1).schema().sync().commit(1).schema().incremental();
  expect_all(take_in(), db);
}

TEST_F(GrafeoIndexerTest, ChangesNoEpochWhenALaterV2BackupHasMoreOfItsNumber) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(1).incremental();
  const auto before = db.expected();
  db.schema().incremental();  // begins at 4 and ends at 3
  EXPECT_EQ(db.manifest().segments.back().start_epoch, Epoch(4));
  EXPECT_EQ(db.manifest().segments.back().end_epoch, Epoch(3));
  DatabaseRow row = take_in();
  EXPECT_TRUE(row.problems.empty());
  EXPECT_EQ(epochs(row), (Numbers{2, 3}));
  expect_epoch(row, 3, before.at(3));
  db.commit(1).incremental();
  row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3, 4}));
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, OffersV2EpochsOfGroupsOnly) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().silent().commit(1).silent().silent().commit(1).silent().incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 4, 7}));
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, RefusesAV2LogOfAnotherDatabase) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(1).incremental();
  GrafeoBuilder other(directory_ / "other", Generation::kV2);
  other.become(Generation::kV2).commit(2).full().commit(1).incremental();
  std::filesystem::copy(other.file(1), db.file(1),
                        std::filesystem::copy_options::overwrite_existing);
  db.reseal(1);
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), Numbers{2});
  expect_problem(row, "backup_incr_0001.wal", "another database", 3, 3);
}

TEST_F(GrafeoIndexerTest, OffersNoV2EpochThatDamageMayHaveCutShort) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(3).garbage(std::string(80, 'x')).commit(1).incremental();
  const DatabaseRow row = take_in();
  // Epoch 5 may have gone on where the damage is.
  EXPECT_EQ(epochs(row), (Numbers{2, 3, 4}));
  expect_epoch(row, 4, db.expected().at(4));
  expect_problem(row, "backup_incr_0001.wal", "its log is damaged at byte", 5, 6);
}

TEST_F(GrafeoIndexerTest, RefusesAV2LogWithAGap) {
  GrafeoBuilder db = builder(Generation::kV2);
  db.commit(2).full().commit(1).incremental().commit(1).lose_log().commit(1).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3}));
  expect_problem(row, "backup_incr_0002.wal", "of the log, but what is before it ends at", 4, 5);
}

// --- both in one directory ---

TEST_F(GrafeoIndexerTest, ReadsADirectoryThatTheNextGenerationContinued) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(2).incremental();
  take_in();
  db.become(Generation::kV2).commit(1).full().commit(2).incremental();
  const DatabaseRow row = take_in();
  EXPECT_TRUE(row.problems.empty());
  expect_all(row, db);
}

TEST_F(GrafeoIndexerTest, RefusesAChainOfBothGenerations) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(1).incremental();
  db.become(Generation::kV2).commit(2).incremental();
  const DatabaseRow row = take_in();
  EXPECT_EQ(epochs(row), (Numbers{2, 3}));
  expect_problem(row, "backup_incr_0002.wal", "is of format 2, the full below it of format 1", 4,
                 5);
}

TEST_F(GrafeoIndexerTest, DoesNotReadAgainWhatARewrittenManifestKeeps) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(2).full().commit(2).incremental();
  const DatabaseRow before = take_in();
  db.rewrite_manifest_as(Generation::kV2);
  EXPECT_EQ(take_in().number, before.number);
}

TEST_F(GrafeoIndexerTest, BuildsAnewWhenThereWereMoreProblemsThanItKeeps) {
  GrafeoBuilder db = builder(Generation::kV1);
  db.commit(1).full();
  for (std::size_t i = 0; i < kProblemsMax + 2; ++i) {
    grafeo::SegmentEntry entry = db.manifest().segments.front();
    entry.filename = "missing-" + std::to_string(i);
    db.manifest().segments.push_back(entry);
  }
  db.save_manifest();
  const DatabaseRow first = take_in();
  EXPECT_EQ(first.problems.size(), kProblemsMax + 1);
  const DatabaseRow second = take_in();
  EXPECT_EQ(second.problems, first.problems);
  expect_all(second, db);
}

}  // namespace
}  // namespace epochfs::engine
