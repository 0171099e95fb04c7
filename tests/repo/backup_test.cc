// Backups that meet somebody else: another database, another first backup, a program that ends.

#include <filesystem>

#include "tests/repo/repository_fixture.h"
#include "tests/support/before_sqlite_opens.h"
#include "tests/support/live_database.h"

namespace epochfs::engine {
namespace {

class BackupTest : public RepositoryTest {
 protected:
  [[nodiscard]] BackupOptions options(const std::string& database) const {
    BackupOptions options;
    options.database_path = database;
    options.location = location();
    options.cache_directory = path("cache");
    return options;
  }
};

TEST_F(BackupTest, MixesNoTwoDatabasesIntoOneHistory) {
  write_file(path("notes.bin"), "one");
  write_file(path("notes.txt"), "another");
  back_up(path("notes.bin"));
  for (const bool dry_run : {false, true}) {
    BackupOptions other = options(path("notes.txt"));
    other.dry_run = dry_run;
    const auto refused = backup(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalid);
    EXPECT_NE(refused.error().text.find("--name"), std::string::npos) << refused.error().text;
  }
  BackupOptions named = options(path("notes.txt"));
  named.name = "texts";
  EXPECT_TRUE(backup(named));
  EXPECT_EQ(back_up(path("notes.bin")).newest, Epoch(1));
}

TEST_F(BackupTest, SaysThatTheDatabaseWasSomewhereElseBefore) {
  for (const char* const place : {"one", "two"}) {
    std::filesystem::create_directory(path(place));
    write_file(path(place) + "/notes.bin", place);
  }
  back_up(path("one") + "/notes.bin");
  const BackupReport moved = back_up(path("two") + "/notes.bin");
  EXPECT_EQ(moved.newest, Epoch(2));
  EXPECT_NE(moved.reason.find(path("one") + "/notes.bin"), std::string::npos) << moved.reason;
  write_file(path("two") + "/notes.bin", "changed");
  const BackupReport stayed = back_up(path("two") + "/notes.bin");
  EXPECT_EQ(stayed.reason.find(path("two")), std::string::npos) << stayed.reason;
}

TEST_F(BackupTest, RefusesAFileNameThatNoManifestCanHoldBeforeAnythingIsStored) {
  for (const char* const name : {"nl\n.db", "\xff.db", "back\\slash.db"}) {
    write_file(path(name), "content");
    BackupOptions named = options(path(name));
    named.name = "app";
    const auto refused = backup(named);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, Code::kInvalid) << refused.error().text;
    EXPECT_FALSE(std::filesystem::exists(location())) << name;
  }
}

TEST_F(BackupTest, SharesARepositoryThatAnotherFirstBackupMadeMeanwhile) {
  write_file(path("notes.bin"), "content");
  const test::BeforeSqliteOpens other(1, [&] { EXPECT_TRUE(init_repository(location())); });
  EXPECT_EQ(back_up(path("notes.bin")).newest, Epoch(1));
  EXPECT_TRUE(other.has_run());
}

TEST_F(BackupTest, LooksAgainWhenAJournalGoesAway) {
  {
    test::LiveDatabase writer(path("writer.db"));
    writer.run(
        "PRAGMA cache_size = 5; CREATE TABLE t (x);"
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 200) SELECT randomblob(900) FROM n;"
        "BEGIN; UPDATE t SET x = randomblob(901)");
    std::filesystem::copy_file(path("writer.db"), path("app.db"));
    std::filesystem::copy_file(path("writer.db-journal"), path("app.db-journal"));
  }
  // The first two look what it is and whether it can be read; with the third it is being copied.
  const test::BeforeSqliteOpens restart(
      3, [&] { test::LiveDatabase(path("app.db")).ask("SELECT count(*) FROM t"); });
  EXPECT_EQ(back_up(path("app.db")).newest, Epoch(1));
  EXPECT_TRUE(restart.has_run());
  EXPECT_FALSE(std::filesystem::exists(path("app.db-journal")));
  const auto image = read_epoch(*open_database(), Epoch(1));
  ASSERT_TRUE(image) << image.error().text;
  EXPECT_TRUE(*image == test::LiveDatabase(path("app.db")).image());
}

}  // namespace
}  // namespace epochfs::engine
