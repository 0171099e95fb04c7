// Databases that cannot be read just so: locked, crashed, damaged, foreign, gone, out of reach.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "tests/capture/other_process.h"
#include "tests/capture/replay.h"
#include "tests/support/before_sqlite_opens.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

using engine::Code;

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.insert(entry.path().filename().string());
  return names;
}

class Trouble : public ::testing::Test {
 protected:
  Trouble() {
    replay_.options().temp_directory = temporary_.path();
    replay_.options().busy_timeout_ms = 50;
  }

  void make(const std::string& journal_mode, const std::string& path) {
    LiveDatabase database(path);
    database.run(
        "PRAGMA journal_mode = " + journal_mode +
        "; CREATE TABLE t (id INTEGER PRIMARY KEY, body);"
        "INSERT INTO t (body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
        "n WHERE i < 200) SELECT randomblob(900) FROM n");
    image_ = database.image();
  }
  void make(const std::string& journal_mode) { make(journal_mode, path_); }
  void expect_no_trace() { EXPECT_TRUE(names_in(temporary_.path()).empty()); }

  TemporaryDirectory directory_;
  TemporaryDirectory temporary_;
  std::string path_ = directory_ / "app.db";
  Replay replay_{path_};
  std::string image_;
};

TEST_F(Trouble, LeavesNoSideFilesBehindADatabaseAtRest) {
  make("WAL");
  const std::string before = file_bytes(path_);
  ASSERT_EQ(names_in(directory_.path()), std::set<std::string>{"app.db"});
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), image_);
  EXPECT_EQ(names_in(directory_.path()), std::set<std::string>{"app.db"});
  EXPECT_EQ(file_bytes(path_), before);
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_batches, 0U);
  EXPECT_EQ(replay_.last_reason, "");
}

TEST_F(Trouble, LeavesTheLogOfADatabaseWithoutAPageAlone) {
  make("WAL");
  LiveDatabase app(path_);
  app.run("INSERT INTO t (body) VALUES ('in the log')");
  app.close_like_a_crash();
  for (const bool with_index : {true, false}) {
    write_file(path_, "");
    if (!with_index) std::filesystem::remove(path_ + "-shm");
    const std::string log = file_bytes(path_ + "-wal");
    ASSERT_FALSE(log.empty());
    const auto names = names_in(directory_.path());
    Replay replay(path_);
    replay.options().temp_directory = temporary_.path();
    static_cast<void>(replay.back_up());
    EXPECT_EQ(names_in(directory_.path()), names);
    EXPECT_TRUE(file_bytes(path_ + "-wal") == log);
    EXPECT_EQ(file_bytes(path_), "");
    expect_no_trace();
  }
}

TEST_F(Trouble, IsNotASchemaThatSqliteCannotParse) {
  for (const char* const mode : {"WAL", "DELETE"}) {
    SCOPED_TRACE(mode);
    const std::string path = directory_ / (std::string(mode) + ".db");
    make(mode, path);
    LiveDatabase app(path);
    app.run(
        "PRAGMA writable_schema = 1; INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, "
        "sql) VALUES ('view', 'later', 'later', 0, 'CREATE VIEW later AS SELECT ! FROM WHERE')");
    EXPECT_EQ(LiveDatabase(path).attempt("SELECT count(*) FROM t"), SQLITE_CORRUPT);
    Replay replay(path);
    replay.options().temp_directory = temporary_.path();
    ASSERT_WORKS(replay.back_up());
    EXPECT_TRUE(replay.newest() == app.image());
    app.run("INSERT INTO t (body) VALUES (1)");
    ASSERT_WORKS(replay.back_up());
    EXPECT_TRUE(replay.newest() == app.image());
  }
}

TEST_F(Trouble, KeepsTheSideFilesOfAProgramThatStarts) {
  make("WAL");
  std::unique_ptr<LiveDatabase> app;
  replay_.meanwhile = [&] {
    if (app) return;
    app = std::make_unique<LiveDatabase>(path_);
    app->run("INSERT INTO t (body) VALUES (1)");
  };
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), image_);
  app->run("INSERT INTO t (body) VALUES (2)");
  EXPECT_EQ(app->ask("PRAGMA integrity_check"), "ok");
  replay_.meanwhile = [] {};
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), app->image());
  EXPECT_EQ(replay_.last_commits, 2U);
}

TEST_F(Trouble, CapturesWhatACrashedProgramCommitted) {
  make("WAL");
  OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path_);
    database.run("INSERT INTO t (body) VALUES ('committed'); BEGIN; DELETE FROM t");
    ready();
    wait_to_be_killed();
  });
  ASSERT_TRUE(app.ready());
  app.kill_now();
  const std::string log = file_bytes(path_ + "-wal");
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(file_bytes(path_ + "-wal"), log);
  EXPECT_EQ(replay_.newest(), LiveDatabase(path_).image());
}

TEST_F(Trouble, RollsAHotJournalBackInACopyOnly) {
  make("DELETE");
  OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path_);
    database.run("PRAGMA cache_size = 5; BEGIN; UPDATE t SET body = randomblob(901)");
    ready();
    wait_to_be_killed();
  });
  ASSERT_TRUE(app.ready());
  app.kill_now();
  const std::string database = file_bytes(path_);
  const std::string journal = file_bytes(path_ + "-journal");
  ASSERT_NE(database, image_);
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), image_);
  EXPECT_EQ(file_bytes(path_), database);
  EXPECT_EQ(file_bytes(path_ + "-journal"), journal);
  expect_no_trace();
  // The recovered copy is not what the file holds: nothing may be concluded from its stamp.
  EXPECT_EQ(replay_.cursor()->ctime_ns, 0);
  EXPECT_EQ(LiveDatabase(path_).image(), image_);  // rolled back in place now
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_epochs, 0U);
}

TEST_F(Trouble, NoticesThatAHotJournalWentAwayBeforeItWasCopied) {
  make("DELETE");
  OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path_);
    database.run("PRAGMA cache_size = 5; BEGIN; UPDATE t SET body = randomblob(901)");
    ready();
    wait_to_be_killed();
  });
  ASSERT_TRUE(app.ready());
  app.kill_now();
  replay_.options().engine = engine::native::Engine::kSqlite;
  // The first time it is opened to be read as it is, the second time to be copied.
  const BeforeSqliteOpens restart(2, [&] { std::filesystem::remove(path_ + "-journal"); });
  EXPECT_FAILS(replay_.back_up(), Code::kBusy);
  EXPECT_TRUE(restart.has_run());
}

TEST_F(Trouble, DoesNotCallTheJournalOfALiveWriterHot) {
  make("DELETE");
  OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path_);
    database.run("BEGIN; UPDATE t SET body = 1 WHERE id = 1");
    ready();
    wait_to_be_killed();
  });
  ASSERT_TRUE(app.ready());
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), image_);
}

TEST_F(Trouble, SaysThatADatabaseIsLocked) {
  for (const std::string mode : {"DELETE", "WAL"}) {
    SCOPED_TRACE(mode);
    std::filesystem::remove(path_);
    make(mode);
    OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
      LiveDatabase database(path_);
      database.run("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM t WHERE id = 1");
      ready();
      wait_to_be_killed();
    });
    ASSERT_TRUE(app.ready());
    EXPECT_FAILS(replay_.back_up(), Code::kBusy);
    app.kill_now();
    std::filesystem::remove(path_ + "-journal");
    std::filesystem::remove(path_ + "-wal");
  }
}

TEST_F(Trouble, LetsWritersOfARollbackJournalGoBeforeItFeedsTheConsumer) {
  make("DELETE");
  const auto snapshot = engine::open_snapshot(replay_.options());
  ASSERT_WORKS(snapshot);
  LiveDatabase app(path_);
  bool first = true;
  std::string image;
  ASSERT_WORKS((*snapshot)->read_image([&](ByteView bytes) -> Result<void> {
    if (std::exchange(first, false)) app.run("UPDATE t SET body = randomblob(900)");
    image += engine::as_text(bytes);
    return {};
  }));
  ASSERT_WORKS((*snapshot)->confirm());
  EXPECT_EQ(image, image_);
  EXPECT_FAILS((*snapshot)->read_image([](ByteView) -> Result<void> { return {}; }), Code::kBusy);
}

TEST_F(Trouble, CountsTheCommitsThatItCannotTellApart) {
  make("TRUNCATE");
  ASSERT_WORKS(replay_.back_up());
  LiveDatabase app(path_);
  app.run("PRAGMA journal_mode = TRUNCATE");
  for (int i = 0; i < 7; ++i) app.run("UPDATE t SET body = " + std::to_string(i));
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_epochs, 1U);
  EXPECT_EQ(replay_.last_commits, 0U);
  EXPECT_EQ(replay_.last_folded, 7U);
  EXPECT_EQ(replay_.newest(), app.image());
}

TEST_F(Trouble, TellsAnUntouchedRollbackDatabaseByItsStamp) {
  make("DELETE");
  ::usleep(150'000);  // a stamp must be older than a tick of the clock to tell anything
  ASSERT_WORKS(replay_.back_up());
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_epochs, 0U);
  EXPECT_EQ(replay_.last_reason, "");
  EXPECT_LT(replay_.last_bytes_read, 10000U);
}

TEST_F(Trouble, ReadsAnEmptyDatabase) {
  write_file(path_, "");
  ASSERT_WORKS(engine::detect_engine(path_));
  EXPECT_EQ(*engine::detect_engine(path_), engine::native::Engine::kSqlite);
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), "");
  LiveDatabase app(path_);
  app.run("CREATE TABLE t (x)");
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_full_reason, "");
  EXPECT_EQ(replay_.newest(), app.image());
}

TEST_F(Trouble, RefusesWhatIsNotADatabase) {
  write_file(path_, std::string(10000, 'x'));
  EXPECT_EQ(*engine::detect_engine(path_), engine::native::Engine::kFile);
  replay_.options().engine = engine::native::Engine::kSqlite;
  EXPECT_FAILS(replay_.back_up(), Code::kUnsupported);
}

TEST_F(Trouble, RefusesATruncatedDatabase) {
  make("DELETE");
  std::filesystem::resize_file(path_, image_.size() / 2);
  EXPECT_FAILS(replay_.back_up(), Code::kCorrupt);
}

TEST_F(Trouble, RefusesADatabaseWithADamagedSchema) {
  make("DELETE");
  std::string damaged = file_bytes(path_);
  damaged.replace(100, 200, 200, '\x55');
  write_file(path_, damaged);
  EXPECT_FAILS(replay_.back_up(), Code::kCorrupt);
}

TEST_F(Trouble, RefusesWhatIsGoneOrNotAFile) {
  EXPECT_FAILS(replay_.back_up(), Code::kNotFound);
  EXPECT_FAILS(engine::detect_engine(path_), Code::kNotFound);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FAILS(replay_.back_up(), Code::kInvalid);
  replay_.options().path = directory_.path();
  EXPECT_FAILS(replay_.back_up(), Code::kInvalid);
}

TEST_F(Trouble, NoticesThatTheDatabaseWasReplacedWhileItWasRead) {
  for (const std::string mode : {"DELETE", "WAL"}) {
    SCOPED_TRACE(mode);
    make(mode, directory_ / ("app-" + mode));
    make(mode, directory_ / ("other-" + mode));
    Replay replay(directory_ / ("app-" + mode));
    replay.meanwhile = [&] {
      std::error_code ignored;
      std::filesystem::rename(directory_ / ("other-" + mode), directory_ / ("app-" + mode),
                              ignored);
    };
    EXPECT_FAILS(replay.back_up(), Code::kBusy);
  }
}

TEST_F(Trouble, NoticesThatTheDatabaseVanishedWhileItWasRead) {
  make("WAL");
  replay_.meanwhile = [&] { std::filesystem::remove(path_); };
  EXPECT_FAILS(replay_.back_up(), Code::kBusy);
  EXPECT_FAILS(replay_.back_up(), Code::kNotFound);
}

TEST_F(Trouble, FollowsALinkToTheDatabase) {
  make("WAL", directory_ / "real.db");
  std::filesystem::create_symlink("real.db", path_);
  LiveDatabase app(directory_ / "real.db");
  app.run("INSERT INTO t (body) VALUES (1)");
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.newest(), app.image());
  EXPECT_EQ(names_in(directory_.path()),
            (std::set<std::string>{"app.db", "real.db", "real.db-shm", "real.db-wal"}));
}

// An ordinary user who may read a database but write nothing near it.
class ReadOnlyTrouble : public Trouble {
 protected:
  // Runs `body` as nobody in a child; what it finds out comes back as its exit status.
  void as_nobody(const std::function<bool()>& body) {
    ::chmod(directory_.path().c_str(), 0755);
    ::chmod(temporary_.path().c_str(), 0777);
    OtherProcess reader([&](const OtherProcess::Ready& ready) -> bool {
      ready();
      if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
      return body();
    });
    EXPECT_EQ(reader.join(), 0);
  }
  bool back_up_equals(const std::string& wanted) {
    const auto done = replay_.back_up();
    if (!done) ADD_FAILURE() << done.error().text;
    return done && replay_.newest() == wanted && names_in(temporary_.path()).empty();
  }
};

TEST_F(ReadOnlyTrouble, ReadsADatabaseAtRest) {
  make("WAL");
  as_nobody([&] { return back_up_equals(image_); });
  EXPECT_EQ(names_in(directory_.path()), std::set<std::string>{"app.db"});
}

TEST_F(ReadOnlyTrouble, RecoversALogInACopy) {
  make("WAL");
  LiveDatabase app(path_);
  app.run("INSERT INTO t (body) VALUES ('in the log')");
  const std::string wanted = app.image();
  app.close_like_a_crash();
  std::filesystem::remove(path_ + "-shm");
  as_nobody([&] { return back_up_equals(wanted); });
  EXPECT_EQ(names_in(directory_.path()), (std::set<std::string>{"app.db", "app.db-wal"}));
}

TEST_F(ReadOnlyTrouble, RecoversALogWithAnIndexOfTheDeadInACopy) {
  make("WAL");
  LiveDatabase app(path_);
  app.run("INSERT INTO t (body) VALUES ('in the log')");
  const std::string wanted = app.image();
  app.close_like_a_crash();
  as_nobody([&] { return back_up_equals(wanted); });
}

TEST_F(ReadOnlyTrouble, RecoversAHotJournalInACopy) {
  make("DELETE");
  OtherProcess app([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path_);
    database.run("PRAGMA cache_size = 5; BEGIN; UPDATE t SET body = randomblob(901)");
    ready();
    wait_to_be_killed();
  });
  app.kill_now();
  as_nobody([&] { return back_up_equals(image_); });
}

TEST_F(ReadOnlyTrouble, ReadsALiveDatabase) {
  make("WAL");
  LiveDatabase app(path_);
  app.run("INSERT INTO t (body) VALUES ('in the log')");
  const std::string wanted = app.image();
  as_nobody([&] { return back_up_equals(wanted); });
  app.run("INSERT INTO t (body) VALUES ('and on')");
}

TEST(LiveWriters, SeeNoErrorAndEveryStateIsOneOfTheirs) {
  const TemporaryDirectory directory;
  const std::string path = directory / "app.db";
  {
    LiveDatabase database(path);
    database.run(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, n, body);"
        "CREATE TABLE counter (n); INSERT INTO counter VALUES (0)");
  }
  // Row i of t holds the number of the transaction that wrote it last; the counter is the newest.
  OtherProcess writer([&](const OtherProcess::Ready& ready) -> bool {
    LiveDatabase database(path);
    database.run("PRAGMA wal_autocheckpoint = 50; PRAGMA synchronous = OFF");
    ready();
    for (int n = 1; n <= 3000; ++n) {
      const std::string number = std::to_string(n);
      if (database.attempt("BEGIN IMMEDIATE; UPDATE counter SET n = " + number +
                           "; INSERT OR REPLACE INTO t VALUES (" + std::to_string(n % 97) + ", " +
                           number + ", randomblob(" + std::to_string(n % 1500) + ")); COMMIT") !=
          SQLITE_OK)
        return false;
    }
    return true;
  });
  ASSERT_TRUE(writer.ready());
  Replay replay(path);
  for (int round = 0; round < 25; ++round) {
    const auto done = replay.back_up();
    if (!done) {
      ASSERT_EQ(done.error().code, Code::kBusy) << done.error().text;
    }
  }
  EXPECT_EQ(writer.join(), 0);
  ASSERT_WORKS(replay.back_up());
  const std::string copy = directory / "copy.db";
  long before = -1;
  std::size_t checked = 0;
  const std::size_t stride = 1 + replay.images().size() / 200;
  for (std::size_t at = 0; at < replay.images().size(); at += stride, ++checked) {
    write_file(copy, replay.images()[at]);
    LiveDatabase restored(copy);
    ASSERT_EQ(restored.ask("PRAGMA integrity_check"), "ok");
    const long now = std::stol(restored.ask("SELECT n FROM counter"));
    ASSERT_GT(now, before);
    ASSERT_EQ(restored.ask("SELECT coalesce(max(n), 0) FROM t"), std::to_string(now));
    before = now;
    restored.close();
    std::filesystem::remove(copy + "-wal");
    std::filesystem::remove(copy + "-shm");
  }
  EXPECT_EQ(replay.newest(), LiveDatabase(path).image());
}

}  // namespace
}  // namespace epochfs::test
