#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "engine/core/time.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/failing_calls.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::engine {
namespace {

class NativeRepositoryTest : public RepositoryTest {
 protected:
  // Every way out of the repository gives these bytes, and they add up to the epoch's state hash.
  void expect_epoch(Database& database, std::uint64_t number, const std::string& want) {
    SCOPED_TRACE(testing::Message() << "epoch " << number);
    const auto bytes = read_epoch(database, Epoch(number));
    ASSERT_TRUE(bytes) << bytes.error().text;
    EXPECT_TRUE(*bytes == want) << bytes->size() << " bytes, not the " << want.size() << " wanted";
    const std::string output = path("restored");
    const auto restored = restore(database, Epoch(number), RestoreOptions{output, true, {}});
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_TRUE(read_file(output) == want);
    EXPECT_EQ(restored->size_bytes, want.size());
  }

  void expect_random_ranges(Database& database, std::uint64_t number, const std::string& want,
                            std::mt19937_64& random) {
    const auto view = database.view(Epoch(number));
    ASSERT_TRUE(view) << view.error().text;
    const auto file = *(*view)->open(0);
    ASSERT_EQ(file->size_bytes(), want.size());
    for (int i = 0; i < 20 && !want.empty(); ++i) {
      const std::uint64_t begin = random() % want.size();
      const std::uint64_t size = random() % (want.size() - begin + 1);
      const auto pieces = file->read({begin, size});
      ASSERT_TRUE(pieces) << pieces.error().text;
      std::string got;
      for (const Piece& piece : *pieces) got += as_text(piece.bytes);
      EXPECT_TRUE(got == want.substr(begin, size)) << begin << "+" << size;
    }
  }

  void expect_sound(std::uint64_t epochs) {
    const auto report = verify(location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    for (const Damage& damage : report->damage)
      ADD_FAILURE() << damage.object << ": " << damage.text;
    for (const std::string& warning : report->warnings) ADD_FAILURE() << warning;
    EXPECT_EQ(report->epochs, epochs);
  }
};

TEST_F(NativeRepositoryTest, GivesEveryEpochOfAFileBack) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  FileHistory file(path("notes.bin"), seed);
  std::vector<std::string> images;
  for (int i = 0; i < 12; ++i) {
    if (i > 0) file.change();
    const BackupReport report = back_up(path("notes.bin"));
    images.push_back(file.content());
    ASSERT_EQ(report.newest, Epoch(images.size()));
    EXPECT_EQ(report.epochs_added, 1U);
  }
  const auto database = open_database();
  for (std::size_t i = 0; i < images.size(); ++i) {
    expect_epoch(*database, i + 1, images[i]);
    expect_random_ranges(*database, i + 1, images[i], random);
  }
  expect_sound(images.size());
  EXPECT_EQ(database->name(), "notes");
  EXPECT_EQ(database->file_name(), "notes.bin");
}

TEST_F(NativeRepositoryTest, GivesEveryTransactionOfALiveDatabaseBack) {
  test::SqliteHistory history(path("app.db"), 200, {});
  back_up(path("app.db"));
  for (int round = 0; round < 4; ++round) {
    history.commit(5);
    const BackupReport report = back_up(path("app.db"));
    EXPECT_EQ(report.epochs_added, 5U) << report.reason;
    if (round != 2) continue;
    const BackupReport again = back_up(path("app.db"), true);
    EXPECT_EQ(again.epochs_added, 0U);
    EXPECT_TRUE(again.wrote_full);
  }
  const auto database = open_database();
  EXPECT_EQ((*database->timeline())->epoch_count(), history.moments().size());
  for (const auto& moment : history.moments()) expect_epoch(*database, moment.step, moment.image);
  expect_sound(history.moments().size());
}

TEST_F(NativeRepositoryTest, FoldsTransactionsIntoOneEpochWhenTheLogWasCutOff) {
  test::SqliteHistory history(path("app.db"), 200, {});
  back_up(path("app.db"));
  history.checkpoint();
  history.commit(5);
  const BackupReport report = back_up(path("app.db"));
  EXPECT_EQ(report.epochs_added, 1U);
  EXPECT_FALSE(report.reason.empty());
  const auto database = open_database();
  EXPECT_EQ((*(*database->timeline())->find(Epoch(2)))->how, native::Captured::kPageDiff);
  expect_epoch(*database, 2, history.moments().back().image);
  expect_sound(2);
}

// Each is an epoch without a version of any page, and tables are held against what is stored.
TEST_F(NativeRepositoryTest, TakesThousandsOfTransactionsThatChangedNothing) {
  constexpr std::uint64_t kCommits = 12'000;
  test::LiveDatabase database(path("app.db"));
  database.run(
      "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
  database.run("CREATE TABLE t(a); PRAGMA user_version = 1");
  back_up(path("app.db"));
  for (std::uint64_t i = 0; i < kCommits; ++i) database.run("PRAGMA user_version = 1");
  EXPECT_EQ(back_up(path("app.db")).epochs_added, kCommits);
  expect_sound(kCommits + 1);
  expect_epoch(*open_database(), kCommits + 1, database.image());
}

TEST_F(NativeRepositoryTest, SaysThatNothingChangedAndMakesNoEpoch) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  const BackupReport report = back_up(path("notes.bin"));
  EXPECT_EQ(report.epochs_added, 0U);
  EXPECT_EQ(report.first_new, std::nullopt);
  EXPECT_EQ(report.newest, Epoch(1));
  EXPECT_FALSE(report.wrote_full || report.wrote_incremental);
}

TEST_F(NativeRepositoryTest, WritesNothingOnADryRun) {
  FileHistory file(path("notes.bin"), 1);
  BackupOptions options;
  options.database_path = path("notes.bin");
  options.location = location();
  options.cache_directory = path("cache");
  options.dry_run = true;
  const auto first = backup(options);
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->newest, Epoch(1));
  EXPECT_TRUE(first->wrote_full);
  EXPECT_FALSE(std::filesystem::exists(location()));
  back_up(path("notes.bin"));
  file.change();
  const auto second = backup(options);
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ(second->newest, Epoch(2));
  EXPECT_EQ((*open_database()->timeline())->epoch_count(), 1U);
}

TEST_F(NativeRepositoryTest, LeavesNoTraceOfADatabaseThatCannotBeRead) {
  BackupOptions options;
  options.database_path = path("missing.db");
  options.location = location();
  options.cache_directory = path("cache");
  const auto report = backup(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(location()));
}

TEST_F(NativeRepositoryTest, SeesNewEpochsWithoutBeingOpenedAgain) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  const auto database = open_database("another cache");
  ASSERT_EQ((*database->timeline())->newest(), Epoch(1));
  file.change();
  back_up(path("notes.bin"));
  const auto begin = std::chrono::steady_clock::now();
  while ((*database->timeline())->newest() != Epoch(2)) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
  EXPECT_EQ(read_epoch(*database, Epoch(2)).value_or(""), file.content());
}

// The index is shared: whoever reads the manifest just before a backup replaces it finds an index
// that is ahead.
TEST_F(NativeRepositoryTest, LosesNoEpochFromSightWhileBackupsArrive) {
  FileHistory file(path("notes.bin"), 1, 20'000);
  back_up(path("notes.bin"));
  const auto first = open_database();
  const auto second = open_database();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) {
      file.change();
      back_up(path("notes.bin"));
      open_database();
    }
    done = true;
  });
  std::uint64_t missing = 0;
  while (!done) {
    for (const auto& database : {first, second}) {
      const auto timeline = database->timeline();
      const auto found = (*timeline)->find(Epoch(1));
      if (!found || !*found || !read_epoch(*database, Epoch(1))) ++missing;
    }
  }
  writer.join();
  EXPECT_EQ(missing, 0U);
}

TEST_F(NativeRepositoryTest, KeepsItsEpochsWhenOthersLookAtADamagedSegment) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  file.change();
  back_up(path("notes.bin"));
  file.change();
  back_up(path("notes.bin"));
  const std::string segment = location() + "/notes/incr-3-3.seg";
  std::string bytes = read_file(segment);
  write_file(segment, bytes.substr(0, bytes.size() - 1));
  const auto database = open_database("another cache");
  const auto timeline = database->timeline();
  ASSERT_TRUE(timeline);
  EXPECT_EQ((*timeline)->epoch_count(), 2U);
  EXPECT_EQ((*open_database("another cache")->timeline())->epoch_count(), 2U);
  const auto found = (*timeline)->find(Epoch(2));
  EXPECT_TRUE(found && *found) << "another look must not renumber what has not changed";
  write_file(segment, bytes);
  EXPECT_EQ((*open_database("another cache")->timeline())->epoch_count(), 3U)
      << "what is whole again is found";
  while ((*database->timeline())->epoch_count() != 3) {
  }
  EXPECT_EQ(read_epoch(*database, Epoch(3)).value_or(""), file.content());
}

TEST_F(NativeRepositoryTest, KeepsTheLastGoodTimelineWhenTheManifestGoesAway) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  const auto database = open_database();
  std::filesystem::rename(location() + "/notes/manifest.json", path("saved"));
  while (database->last_failure().empty()) static_cast<void>(database->timeline());
  EXPECT_EQ((*database->timeline())->newest(), Epoch(1));
  EXPECT_EQ(read_epoch(*database, Epoch(1)).value_or(""), file.content());
  std::filesystem::rename(path("saved"), location() + "/notes/manifest.json");
  while (!database->last_failure().empty()) static_cast<void>(database->timeline());
}

TEST_F(NativeRepositoryTest, BeginsNoNewHistoryOverOneThatLostItsManifest) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  std::filesystem::remove(location() + "/notes/manifest.json");
  BackupOptions options;
  options.database_path = path("notes.bin");
  options.location = location();
  options.cache_directory = path("cache");
  const std::string full = read_file(location() + "/notes/full-1.bin.zst");
  const auto report = backup(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kCorrupt);
  EXPECT_EQ(read_file(location() + "/notes/full-1.bin.zst"), full);
  const auto verified = verify(location(), "", true, {});
  ASSERT_TRUE(verified) << verified.error().text;
  ASSERT_EQ(verified->damage.size(), 1U);
  EXPECT_EQ(verified->damage[0].database, "notes");
  const auto repository = *Repository::open({location(), path("cache"), 1 << 20});
  EXPECT_EQ(*repository->databases(), std::vector<std::string>{"notes"});
  EXPECT_EQ(repository->database("notes").error().code, Code::kCorrupt);
  EXPECT_EQ(repository->database("other").error().code, Code::kNotFound);
  EXPECT_EQ(verified->damage[0].object, "manifest.json");
}

TEST_F(NativeRepositoryTest, TakesAFullWithoutManifestForAFirstBackupThatDied) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  std::filesystem::remove(location() + "/notes/manifest.json");
  std::filesystem::remove(location() + "/notes/cursor.json");
  file.change();
  back_up(path("notes.bin"));
  expect_epoch(*open_database("another cache"), 1, file.content());
}

TEST_F(NativeRepositoryTest, TellsTheTimeAtWhichAnEpochWasSeen) {
  FileHistory file(path("notes.bin"), 1);
  back_up(path("notes.bin"));
  const auto timeline = open_database()->timeline();
  ASSERT_TRUE(timeline);
  const auto facts = (*timeline)->find(Epoch(1));
  ASSERT_TRUE(facts && *facts);
  EXPECT_EQ((*facts)->committed, (*timeline)->covered_until());
}

TEST_F(NativeRepositoryTest, GoesOnWithoutAHumanAfterItsNewestSegmentWasLost) {
  FileHistory file(path("notes.bin"), 1);
  std::vector<std::string> images;
  for (int i = 0; i < 3; ++i) {
    if (i > 0) file.change();
    back_up(path("notes.bin"));
    images.push_back(file.content());
  }
  std::filesystem::remove(location() + "/notes/incr-3-3.seg");
  file.change();
  const BackupReport report = back_up(path("notes.bin"));
  EXPECT_TRUE(report.wrote_full);
  EXPECT_EQ(report.newest, Epoch(4)) << "a number is never given out twice";
  const auto database = open_database();
  expect_epoch(*database, 1, images[0]);
  expect_epoch(*database, 2, images[1]);
  expect_epoch(*database, 4, file.content());
  EXPECT_FALSE(read_epoch(*database, Epoch(3)));
  const auto summary = database->summary();
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->problems.size(), 1U);
  file.change();
  EXPECT_FALSE(back_up(path("notes.bin")).wrote_full) << "the new chain goes on";
}

TEST_F(NativeRepositoryTest, TakesANewFullWhenTheChainHasGrownTooDear) {
  std::mt19937_64 random(1);
  std::vector<std::string> images;
  std::vector<bool> fulls;
  for (int i = 0; i < 6; ++i) {
    std::string noise(2'000'000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    write_file(path("notes.bin"), noise);
    images.push_back(std::move(noise));
    fulls.push_back(back_up(path("notes.bin")).wrote_full);
  }
  // Every incremental costs as much as the full: the third is more than twice.
  EXPECT_EQ(fulls, (std::vector<bool>{true, false, false, true, false, false}));
  const auto database = open_database();
  for (std::size_t i = 0; i < images.size(); ++i) expect_epoch(*database, i + 1, images[i]);
  expect_sound(images.size());
}

TEST_F(NativeRepositoryTest, CountsWhatDiffersBetweenTwoEpochs) {
  std::string content(16384 * 10, 'a');
  write_file(path("notes.bin"), content);
  back_up(path("notes.bin"));
  content[16384 * 2 + 5] = 'b';
  content[16384 * 3 + 5] = 'b';
  content += std::string(16384 + 10, 'c');
  write_file(path("notes.bin"), content);
  back_up(path("notes.bin"));
  const auto database = open_database();
  const auto forward = diff(*database, Epoch(1), Epoch(2));
  ASSERT_TRUE(forward) << forward.error().text;
  EXPECT_EQ(forward->pages_changed, 2U);
  EXPECT_EQ(forward->pages_added, 2U);
  EXPECT_EQ(forward->pages_removed, 0U);
  EXPECT_EQ(forward->bytes_changed, 4 * 16384U);
  ASSERT_EQ(forward->ranges.size(), 2U);
  EXPECT_EQ(forward->ranges[0].first, PageNo(3));
  EXPECT_EQ(forward->ranges[0].last, PageNo(4));
  EXPECT_EQ(forward->ranges[1].first, PageNo(11));
  EXPECT_EQ(forward->ranges[1].last, PageNo(12));
  const auto backward = diff(*database, Epoch(2), Epoch(1));
  ASSERT_TRUE(backward);
  EXPECT_EQ(backward->pages_removed, 2U);
  EXPECT_EQ(diff(*database, Epoch(1), Epoch(1))->pages_changed, 0U);
}

TEST_F(NativeRepositoryTest, FindsEpochsByNumberStepAndTime) {
  FileHistory file(path("notes.bin"), 1);
  for (int i = 0; i < 4; ++i) {
    if (i > 0) file.change();
    back_up(path("notes.bin"));
  }
  const auto database = open_database();
  const auto timeline = *database->timeline();
  const auto select = [&](const std::string& selector) -> std::uint64_t {
    const auto facts = select_epoch(*timeline, selector);
    return facts ? facts->epoch.get() : 0;
  };
  EXPECT_EQ(select(""), 4U);
  EXPECT_EQ(select("latest"), 4U);
  EXPECT_EQ(select("latest~3"), 1U);
  EXPECT_EQ(select("latest~4"), 0U);
  EXPECT_EQ(select("2"), 2U);
  EXPECT_EQ(select("5"), 0U);
  EXPECT_EQ(select("0"), 0U);
  EXPECT_EQ(select("now"), 4U);
  EXPECT_EQ(select("1d-ago"), 0U);
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    const auto facts = *timeline->find(Epoch(epoch));
    EXPECT_EQ(select(format_utc(facts->committed)), epoch);
    EXPECT_EQ(select(format_utc(UtcTime(facts->committed.get() - 1))), epoch - 1);
  }
  EXPECT_EQ(select_epoch(*timeline, "5").error().code, Code::kNoSuchEpoch);
  EXPECT_EQ(select_epoch(*timeline, "1d-ago").error().code, Code::kNoSuchEpoch);
  EXPECT_EQ(select_epoch(*timeline, "yesterday-ish").error().code, Code::kInvalid);
}

TEST_F(NativeRepositoryTest, RestoresOnlyWhereNothingIsInTheWay) {
  test::SqliteHistory history(path("app.db"), 20, {});
  back_up(path("app.db"));
  const auto database = open_database();
  const std::string output = path("out.db");
  write_file(output, "precious");
  const auto refused = restore(*database, Epoch(1), RestoreOptions{output, false, {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExists);
  EXPECT_EQ(read_file(output), "precious");

  std::filesystem::remove(output);
  write_file(output + "-wal", "of another database");
  const auto beside = restore(*database, Epoch(1), RestoreOptions{output, false, {}});
  ASSERT_FALSE(beside);
  EXPECT_EQ(beside.error().code, Code::kExists);
  EXPECT_FALSE(std::filesystem::exists(output));

  ASSERT_TRUE(restore(*database, Epoch(1), RestoreOptions{output, true, {}}));
  EXPECT_FALSE(std::filesystem::exists(output + "-wal"));
  EXPECT_EQ(read_file(output), history.moments()[0].image);
  struct stat status {};
  ASSERT_EQ(::stat(output.c_str(), &status), 0);
  const auto facts = *(*database->timeline())->find(Epoch(1));
  EXPECT_EQ(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, facts->committed.get());
}

TEST_F(NativeRepositoryTest, ReplacesNothingByWhatIsNotSafe) {
  const test::SqliteHistory history(path("app.db"), 20, {});
  back_up(path("app.db"));
  const auto database = open_database();
  const std::string output = path("out.db");
  write_file(output, "precious");
  for (const char* const side : {"-wal", "-shm", "-journal"}) write_file(output + side, side);
  with_failing_calls({{SYS_fsync, EIO}}, [&] {
    const auto failed = restore(*database, Epoch(1), RestoreOptions{output, true, {}});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::kIo) << failed.error().text;
  });
  EXPECT_EQ(read_file(output), "precious");
  for (const char* const side : {"-wal", "-shm", "-journal"})
    EXPECT_EQ(read_file(output + side), side);
}

TEST_F(NativeRepositoryTest, RefusesToMakeARepositoryOfADirectoryInUse) {
  std::filesystem::create_directories(location());
  write_file(location() + "/letter.txt", "dear");
  const auto refused = init_repository(location());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExists);
  std::filesystem::remove(location() + "/letter.txt");
  EXPECT_TRUE(init_repository(location()));
  EXPECT_EQ(init_repository(location()).error().code, Code::kExists);
}

TEST(ParseSourceTest, TellsPlaceDatabaseAndEpochApart) {
  struct Case {
    const char *text, *location, *database, *selector;
  };
  for (const Case& c :
       {Case{"/r", "/r", "", ""}, Case{"/r#app", "/r", "app", ""}, Case{"/r@12", "/r", "", "12"},
        Case{"/r#app@latest~3", "/r", "app", "latest~3"}, Case{"/r@1..2", "/r", "", "1..2"},
        Case{"/a@b/r", "/a@b/r", "", ""}, Case{"/a#b/r#c", "/a#b/r", "c", ""},
        Case{"/r#app@2026-11-20T12:00+02:00", "/r", "app", "2026-11-20T12:00+02:00"},
        Case{"s3://bucket/r#app@1", "s3://bucket/r", "app", "1"},
        Case{"./s3:/r", "./s3:/r", "", ""}, Case{"a b:/r", "a b:/r", "", ""},
        Case{"a:b", "a:b", "", ""}}) {
    const auto source = parse_source(c.text);
    ASSERT_TRUE(source) << c.text;
    EXPECT_EQ(source->location, c.location) << c.text;
    EXPECT_EQ(source->database, c.database) << c.text;
    EXPECT_EQ(source->selector, c.selector) << c.text;
  }
  for (const char* text : {"", "#app", "@1", "/r#", "/r@", "/r#@1", "s3:/bucket/r", "S3://bucket",
                           "https://host/bucket", "file:///r"})
    EXPECT_FALSE(parse_source(text)) << text;
}

}  // namespace
}  // namespace epochfs::engine
