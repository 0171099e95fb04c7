// What a backup goes on from: what the repository itself holds, whatever is remembered of it.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>

#include "engine/core/time.h"
#include "engine/repo/backup_target.h"
#include "engine/repo/epoch_states.h"
#include "engine/repo/native_tip.h"
#include "engine/repo/native_writer.h"
#include "engine/source/native_indexer.h"
#include "engine/storage/local_storage.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/live_database.h"
#include "tests/support/shifted_clock.h"
#include "tests/support/sqlite_history.h"
#include "tests/support/watched_reads.h"

namespace epochfs::engine {
namespace {

namespace fs = std::filesystem;
using test::WatchedReads;

class ChainTest : public RepositoryTest {
 protected:
  // Full 1, epoch 2, epoch 3.
  void make_chain() {
    back_up(database_);
    for (int i = 0; i < 2; ++i) change_and_back_up();
  }
  BackupReport change_and_back_up() {
    history_.commit();
    return back_up(database_);
  }
  [[nodiscard]] std::string stored(const std::string& name) const {
    return location() + "/app/" + name;
  }
  [[nodiscard]] const std::string& newest_image() const { return history_.moments().back().image; }

  // As somebody would who has the repository and nothing else.
  void expect_restored(Epoch epoch, const std::string& image) {
    fs::remove_all(path("fresh"));
    const auto database = open_database("fresh");
    const auto restored = restore(*database, epoch, {path("restored"), true, {}});
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_TRUE(read_file(path("restored")) == image) << "epoch " << epoch.get();
  }
  void expect_sound() {
    const auto report = verify(location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    for (const Damage& damage : report->damage)
      ADD_FAILURE() << damage.object << ": " << damage.text;
  }
  Result<BackupReport> try_to_back_up() {
    BackupOptions options;
    options.database_path = database_;
    options.location = location();
    options.cache_directory = path("cache");
    return backup(options);
  }

  const std::string database_ = path("app.db");
  test::SqliteHistory history_{database_, 60, {.page_size = 1024, .seed = 3}};
};

// Of a page that nothing changes any more, so that nobody reads it by chance.
TEST_F(ChainTest, EndsAtASegmentThatWentAwayAfterItWasIndexed) {
  test::LiveDatabase app(database_);
  app.run("CREATE TABLE aside (x); INSERT INTO aside VALUES (1)");
  back_up(database_);
  app.run("UPDATE aside SET x = 2");
  ASSERT_EQ(back_up(database_).newest, Epoch(2));
  ASSERT_EQ(change_and_back_up().newest, Epoch(3));
  fs::remove(stored("incr-2-2.seg"));
  const BackupReport report = change_and_back_up();
  EXPECT_TRUE(report.wrote_full) << report.reason;
  ASSERT_EQ(report.newest, Epoch(4));
  expect_restored(Epoch(4), newest_image());
  EXPECT_FALSE(change_and_back_up().wrote_full) << "the new chain goes on";
  expect_restored(Epoch(5), newest_image());
}

struct LostFull {
  const char* name;
  bool is_gone;       // else damaged at its end
  bool is_forgotten;  // by the index
};

void PrintTo(const LostFull& lost, std::ostream* out) { *out << lost.name; }

class LostFullTest : public ChainTest, public testing::WithParamInterface<LostFull> {};

TEST_P(LostFullTest, IsNotRestedUpon) {
  make_chain();
  back_up(database_, true);
  const std::string full = stored("full-3.db.zst");
  const std::string good = read_file(full);
  std::string bad = good;
  for (std::size_t i = 1; i <= 64; ++i) bad[bad.size() - i] ^= 0x55;
  write_file(full, bad);
  if (GetParam().is_gone) fs::remove(full);
  if (GetParam().is_forgotten) fs::remove_all(path("cache"));
  const BackupReport report = change_and_back_up();
  ASSERT_EQ(report.newest, Epoch(4));
  expect_restored(Epoch(4), newest_image());
  write_file(full, good);
  expect_restored(Epoch(4), newest_image());
  expect_sound();
}

INSTANTIATE_TEST_SUITE_P(ChainTest, LostFullTest,
                         testing::Values(LostFull{"Gone", true, false},
                                         LostFull{"GoneAndForgotten", true, true},
                                         LostFull{"Damaged", false, false},
                                         LostFull{"DamagedAndForgotten", false, true}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(ChainTest, GoesOnInTheOrderOfTimeWhenTheClockWasAhead) {
  {
    const test::ShiftedClock ahead(std::chrono::hours(48));
    make_chain();
  }
  fs::remove(stored("incr-3-3.seg"));
  const BackupReport report = change_and_back_up();
  EXPECT_TRUE(report.wrote_full);
  ASSERT_EQ(report.newest, Epoch(4));
  expect_restored(Epoch(4), newest_image());
  EXPECT_FALSE(change_and_back_up().wrote_full);
  expect_restored(Epoch(5), newest_image());
}

// All epochs that have the wrong time are lost, and come back.
TEST_F(ChainTest, GoesOnInTheOrderOfTimeOfWhatIsLost) {
  {
    const test::ShiftedClock ahead(std::chrono::hours(48));
    make_chain();
  }
  const std::string full = read_file(stored("full-1.db.zst"));
  fs::remove(stored("full-1.db.zst"));
  fs::remove_all(path("cache"));
  ASSERT_EQ(change_and_back_up().newest, Epoch(4));
  write_file(stored("full-1.db.zst"), full);
  expect_restored(Epoch(4), newest_image());
  expect_restored(Epoch(3), history_.moments().at(2).image);
}

TEST_F(ChainTest, TakesNoStateFromADamagedIndex) {
  make_chain();
  StateHash state;
  {
    const auto newest = (*open_database()->timeline())->find(Epoch(3));
    ASSERT_TRUE(newest && *newest);
    state = (*newest)->state;
  }
  ByteWriter wanted;
  wanted.put_le(state.high());
  wanted.put_le(state.low());
  const std::string pattern(as_text(wanted.view()));
  std::size_t found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path("cache"))) {
    if (entry.path().filename() != "index.lmdb") continue;
    std::string index = read_file(entry.path());
    for (std::size_t at = 0; (at = index.find(pattern, at)) != std::string::npos; ++at, ++found)
      index[at + 3] ^= 4;
    write_file(entry.path(), index);
  }
  ASSERT_GT(found, 0U);
  for (std::uint64_t number = 4; number <= 5; ++number) {
    ASSERT_EQ(change_and_back_up().newest, Epoch(number));
    expect_restored(Epoch(number), newest_image());
  }
  expect_sound();
}

// --- what cannot be read ---

bool is_segment(const std::string& path) {
  return path.ends_with(".seg") || path.ends_with(".zst");
}

TEST_F(ChainTest, GoesOnWhenASegmentCouldNotBeReadOnce) {
  make_chain();
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE(fmt::format("read {}", nth));
    history_.commit();
    int reads = 0;
    const WatchedReads watch(
        [&](const std::string& file) { return is_segment(file) && ++reads == nth ? EIO : 0; });
    const auto report = try_to_back_up();
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_TRUE(report->wrote_incremental && !report->wrote_full) << report->reason;
    EXPECT_EQ(report->reason.find("damaged"), std::string::npos) << report->reason;
    if (reads >= nth) continue;
    EXPECT_GT(nth, 1) << "nothing was read";
    break;
  }
  expect_restored(Epoch(history_.moments().size()), newest_image());
  expect_sound();
}

TEST_F(ChainTest, EndsAtAFullThatCannotBeReadAnyMore) {
  make_chain();
  // Of the pages that the full holds, not only of those behind them.
  test::LiveDatabase app(database_);
  app.run("UPDATE ledger SET text = text || '.'");
  BackupReport report;
  {
    const WatchedReads watch(
        [](const std::string& file) { return file.ends_with("/app/full-1.db.zst") ? EIO : 0; });
    report = back_up(database_);
  }
  EXPECT_TRUE(report.wrote_full);
  EXPECT_NE(report.reason.find("cannot be read"), std::string::npos) << report.reason;
  ASSERT_EQ(report.newest, Epoch(4));
  expect_restored(Epoch(4), app.image());
}

TEST_F(ChainTest, FoldsNoTransactionsWhenTheCursorCouldNotBeReadOnce) {
  make_chain();
  history_.commit(2);
  {
    bool failed = false;
    const WatchedReads watch([&](const std::string& file) {
      return file.ends_with("/cursor.json") && !std::exchange(failed, true) ? EIO : 0;
    });
    const auto report = try_to_back_up();
    EXPECT_TRUE(failed);
    EXPECT_TRUE(!report || report->epochs_added == 2) << report->reason;
  }
  back_up(database_);
  EXPECT_EQ((*open_database()->timeline())->epoch_count(), history_.moments().size());
}

class FaultyChainTest : public ChainTest {
 protected:
  void SetUp() override {
    make_chain();
    const auto repository = open_target(location(), path("cache"), false);
    ASSERT_TRUE(repository) << repository.error().text;
    parts_ = (*repository)->parts();
    faulty_ = std::make_shared<FaultyStorage>(parts_.storage);
    parts_.storage = faulty_;
  }

  NativeParts parts_;
  std::shared_ptr<FaultyStorage> faulty_;
};

// Else a store that is away for a moment costs a full.
TEST_F(FaultyChainTest, IsNoLongerOrShorterForAStoreThatDoesNotAnswer) {
  auto writer = NativeWriter::open(parts_, "app", false);
  ASSERT_TRUE(writer) << writer.error().text;
  for (const Operation operation : {Operation::kOpen, Operation::kRead, Operation::kList}) {
    faulty_->fail({.operations = {operation},
                   .lasting = true,
                   .error = {Code::kUnreachable, "no answer", 0}});
    const auto end = find_native_end(parts_, *writer, "app", true);
    ASSERT_FALSE(end) << static_cast<int>(operation);
    EXPECT_EQ(end.error().code, Code::kUnreachable) << end.error().text;
  }
  faulty_->heal();
  const auto end = find_native_end(parts_, *writer, "app", true);
  ASSERT_TRUE(end) << end.error().text;
  ASSERT_TRUE(end->tip);
  EXPECT_EQ(end->tip->at.facts.epoch, Epoch(3));
}

TEST_F(FaultyChainTest, HasASegmentThatWasOnlyMissedAtFirst) {
  const auto manifest = load_manifest(*parts_.storage, "app");
  ASSERT_TRUE(manifest) << manifest.error().text;
  const auto index = PageIndex::open(path("fresh-index"));
  ASSERT_TRUE(index) << index.error().text;
  const auto look = [&] {
    return bring_up_to_date(**index, *faulty_, manifest->manifest, manifest->version, true);
  };
  faulty_->fail({.operations = {Operation::kOpen},
                 .nth = 1,
                 .error = {Code::kNotFound, "not there", ENOENT}});
  const auto missed = look();
  ASSERT_TRUE(missed) << missed.error().text;
  EXPECT_EQ(missed->epoch_count, 0U);
  faulty_->heal();
  const auto found = look();
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->epoch_count, 3U);
  EXPECT_TRUE(found->problems.empty());
}

TEST_F(ChainTest, LosesNoMoreToABadBlockThanTheSegmentThatHasIt) {
  make_chain();
  back_up(database_, true);
  change_and_back_up();
  const std::string bad = "incr-2-2.seg";
  {
    const WatchedReads watch(
        [&](const std::string& file) { return file.ends_with("/app/" + bad) ? EIO : 0; });
    expect_restored(Epoch(1), history_.moments().at(0).image);
    expect_restored(Epoch(3), history_.moments().at(2).image);
    expect_restored(Epoch(4), newest_image());
    EXPECT_FALSE(read_epoch(*open_database("fresh"), Epoch(2)));
    const auto report = verify(location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_TRUE(std::ranges::any_of(report->damage,
                                    [&](const Damage& damage) { return damage.object == bad; }));
  }
  const auto again = read_epoch(*open_database("fresh"), Epoch(2));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE(*again == history_.moments().at(1).image);
  expect_sound();
}

// --- what is listed ---

// Adds an epoch that changes page 1, with the state that follows from a wrong one before it.
class ForgedChain {
 public:
  ForgedChain(NativeWriter& writer, PageSize page_size, std::string image)
      : writer_(writer), page_size_(page_size), image_(std::move(image)) {}

  Result<void> add(StateHash before) {
    const Epoch epoch(writer_.last_epoch().get() + 1);
    TRY_ASSIGN(auto segment, writer_.begin_incremental(epoch, epoch));
    IncrementalWriter records(*segment.upload, page_size_, {Epoch(1), image_.size()}, epoch, epoch,
                              {});
    const std::string base = image_.substr(0, page_size_.bytes());
    const std::uint64_t hash_before = page_hash(as_bytes(page_));
    page_ = std::string(page_size_.bytes(), static_cast<char>('a' + epoch.get()));
    const std::uint64_t hash = page_hash(as_bytes(page_));
    TRY(records.append(PageNo(1), epoch, hash, as_bytes(page_), as_bytes(base)));
    native::EpochFacts facts;
    facts.epoch = epoch;
    facts.captured = facts.committed = utc_now();
    facts.size_bytes = image_.size();
    facts.pages_changed = 1;
    facts.state = before;
    facts.state.remove(PageNo(1), hash_before);
    facts.state.add(PageNo(1), hash);
    listed_ = facts.state;
    TRY_ASSIGN(const SegmentSummary summary, records.finish(std::span(&facts, 1)));
    return writer_.commit(std::move(segment), summary);
  }
  [[nodiscard]] StateHash listed() const { return listed_; }

 private:
  NativeWriter& writer_;
  PageSize page_size_;
  std::string image_;
  std::string page_ = image_.substr(0, page_size_.bytes());
  StateHash listed_;
};

TEST_F(ChainTest, IsNotVouchedForByAWrongStateBeforeIt) {
  back_up(database_);
  const std::string image = newest_image();
  {
    const auto repository = open_target(location(), path("cache"), false);
    ASSERT_TRUE(repository) << repository.error().text;
    auto writer = NativeWriter::open((*repository)->parts(), "app", false);
    ASSERT_TRUE(writer) << writer.error().text;
    ForgedChain chain(*writer, *PageSize::from(1024), image);
    const auto first = chain.add(StateHash(1, 2));
    ASSERT_TRUE(first) << first.error().text;
    const auto second = chain.add(chain.listed());
    ASSERT_TRUE(second) << second.error().text;
  }
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  std::vector<std::string> named;
  for (const Damage& damage : report->damage) named.push_back(damage.object);
  EXPECT_EQ(named, (std::vector<std::string>{"incr-2-2.seg", "incr-3-3.seg"}));
}

// --- what the database's users wait for ---

TEST_F(ChainTest, IsNotReadWhileWritersWait) {
  const std::string still = path("still.db");
  test::SqliteHistory history(still, 2000, {.page_size = 1024, .journal_mode = "DELETE"});
  back_up(still);
  for (int round = 0; round < 2; ++round) {
    history.commit();
    test::LiveDatabase writer(still);
    writer.run("PRAGMA busy_timeout = 0");
    writer.ask("SELECT count(*) FROM ledger");
    int reads = 0;
    int reads_under_lock = 0;
    const WatchedReads watch([&](const std::string& file) {
      if (!is_segment(file)) return 0;
      ++reads;
      if (writer.attempt("BEGIN EXCLUSIVE; ROLLBACK") != SQLITE_OK) ++reads_under_lock;
      return 0;
    });
    EXPECT_EQ(back_up(still).epochs_added, 1U);
    EXPECT_GT(reads, 0);
    EXPECT_EQ(reads_under_lock, 0) << "of " << reads << " in round " << round;
  }
}

}  // namespace
}  // namespace epochfs::engine
