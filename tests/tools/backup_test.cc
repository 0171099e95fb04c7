#include <chrono>
#include <csignal>
#include <filesystem>

#include "tests/tools/repository_test_base.h"

namespace epochfs::test {
namespace {

using BackupTest = RepositoryTest;
using FirstBackupTest = CommandTest;

TEST_F(FirstBackupTest, MakesTheRepositoryAndEndsWithTheEpoch) {
  const SqliteHistory history(path("app.db"), 10);
  const ProcessResult result = epochfs({"backup", path("app.db"), path("repository")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("full backup of app: 1 new epoch (1), ")) << result.out;
  EXPECT_TRUE(result.out.ends_with("\nepoch 1\n")) << result.out;
  EXPECT_EQ(result.err, "");
}

TEST_F(FirstBackupTest, FillsAnEmptyRepository) {
  const SqliteHistory history(path("app.db"), 10);
  must({"init", path("repository")});
  EXPECT_EQ(epochfs({"backup", path("app.db"), path("repository"), "-q"}).out, "epoch 1\n");
}

TEST_F(FirstBackupTest, StoresNothingInADryRun) {
  const SqliteHistory history(path("app.db"), 10);
  const ProcessResult result = epochfs({"backup", "--dry-run", path("app.db"), path("repository")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(lines_of(result.out).back(), "dry run, nothing stored: would be epoch 1");
  EXPECT_EQ(epochfs({"info", path("repository")}).exit_code, 10);
}

TEST_F(FirstBackupTest, TakesTheNameItIsGiven) {
  write_file(path("data.bin"), "not a database");
  must({"backup", "--name", "orders", path("data.bin"), path("repository")});
  must({"backup", path("data.bin"), path("repository") + "#bills"});
  const Json info = Json::parse(epochfs({"info", path("repository"), "--json"}).out);
  ASSERT_EQ(info.at("databases").size(), 2U);
  EXPECT_EQ(info.at("databases")[0].at("name"), "bills");
  EXPECT_EQ(info.at("databases")[1].at("name"), "orders");
  EXPECT_EQ(info.at("databases")[1].at("file_name"), "data.bin");
  EXPECT_EQ(info.at("databases")[1].at("engine"), "file");
}

TEST_F(FirstBackupTest, LeavesNothingWhenTheDatabaseIsMissing) {
  const ProcessResult result = epochfs({"backup", path("missing.db"), path("repository")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("missing.db"), std::string::npos) << result.err;
  EXPECT_EQ(epochfs({"info", path("repository")}).exit_code, 10);
}

TEST_F(FirstBackupTest, ReportsADatabaseThatItCannotRead) {
  write_file(path("app.db"), "SQLite format 3" + std::string(5000, '\0'));
  const ProcessResult result =
      epochfs({"backup", "--engine", "sqlite", path("app.db"), path("repository")});
  EXPECT_TRUE(result.exit_code == 4 || result.exit_code == 13) << result.exit_code << result.err;
  EXPECT_EQ(result.out, "");
}

TEST_F(FirstBackupTest, InitRefusesWhatIsThere) {
  must({"init", path("repository")});
  const ProcessResult again = epochfs({"init", path("repository")});
  EXPECT_EQ(again.exit_code, 6);
  write_file(path("file"), "");
  EXPECT_NE(epochfs({"init", path("file")}).exit_code, 0);
}

TEST_F(BackupTest, MakesEveryTransactionAnEpoch) {
  history_.commit(2);
  const ProcessResult result = epochfs({"backup", database_, repository_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("incremental backup of app: 2 new epochs (9 to 10), "))
      << result.out;
  EXPECT_EQ(lines_of(result.out).back(), "epoch 10");
}

TEST_F(BackupTest, SaysThatNothingChanged) {
  const ProcessResult result = epochfs({"backup", database_, repository_});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "nothing changed\nepoch 8\n");
  const Json json = json_of({"backup", database_, repository_, "--json"});
  EXPECT_EQ(json.at("kind"), "none");
  EXPECT_EQ(json.at("epoch"), 8);
  EXPECT_TRUE(json.at("first_new").is_null());
}

TEST_F(BackupTest, AnswersInJson) {
  history_.commit(2);
  const Json json = json_of({"backup", database_, repository_, "--json"});
  EXPECT_EQ(json.at("command"), "backup");
  EXPECT_EQ(json.at("database"), "app");
  EXPECT_EQ(json.at("engine"), "sqlite");
  EXPECT_EQ(json.at("kind"), "incremental");
  EXPECT_EQ(json.at("epoch"), 10);
  EXPECT_EQ(json.at("first_new"), 9);
  EXPECT_EQ(json.at("epochs_added"), 2);
  EXPECT_GT(json.at("pages"), 0);
  EXPECT_GT(json.at("bytes_read"), 0);
  EXPECT_GT(json.at("bytes_stored"), 0);
  EXPECT_TRUE(json.at("reason").is_null());
  EXPECT_EQ(json.at("dry_run"), false);
  EXPECT_GE(json.at("seconds"), 0.0);
}

TEST_F(BackupTest, StoresAFullWhenAsked) {
  const ProcessResult result = epochfs({"backup", "--full", database_, repository_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("full backup of app: no new epoch")) << result.out;
  EXPECT_EQ(lines_of(result.out).back(), "epoch 8");
}

TEST_F(BackupTest, ExitsElevenWhenAnotherWriterIsAtWork) {
  history_.commit();
  {
    const engine::UniqueFd other = lock_as_writer();
    const ProcessResult result = epochfs({"backup", database_, repository_});
    EXPECT_EQ(result.exit_code, 11);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("--wait"), std::string::npos) << result.err;
  }
  EXPECT_EQ(epochfs({"backup", "-q", database_, repository_}).out, "epoch 9\n");
}

TEST_F(BackupTest, WaitsForAnotherWriter) {
  history_.commit();
  engine::UniqueFd other = lock_as_writer();
  Process waiting(command({"backup", "--wait", "-q", database_, repository_}), with_own_cache({}));
  EXPECT_FALSE(waiting.ends_within(std::chrono::milliseconds(300)));
  other.reset();
  const ProcessResult result = waiting.wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "epoch 9\n");
}

TEST_F(BackupTest, EndsBySignalWithNothingHalfDone) {
  history_.commit();
  for (const int number : {SIGINT, SIGTERM}) {
    const engine::UniqueFd other = lock_as_writer();
    Process waiting(command({"backup", "--wait", database_, repository_}), with_own_cache({}));
    EXPECT_FALSE(waiting.ends_within(std::chrono::milliseconds(300)));
    waiting.signal(number);
    EXPECT_EQ(waiting.wait().exit_code, 128 + number);
  }
  EXPECT_EQ(epochfs({"verify", repository_}).exit_code, 0);
  EXPECT_EQ(epochfs({"backup", "-q", database_, repository_}).out, "epoch 9\n");
}

TEST_F(BackupTest, DrawsProgressOnATerminalOnly) {
  history_.commit();
  const ProcessResult shown =
      epochfs({"backup", database_, repository_}, {.error_is_terminal = true});
  EXPECT_NE(shown.err.find("backup  "), std::string::npos) << shown.err;
  EXPECT_TRUE(shown.err.ends_with("\r\x1b[K")) << shown.err;  // and wipes it away
  history_.commit();
  EXPECT_EQ(epochfs({"backup", database_, repository_}).err, "");
  history_.commit();
  EXPECT_EQ(epochfs({"backup", "-q", database_, repository_}, {.error_is_terminal = true}).err, "");
}

// The index lies in the cache, and is no part of a backup.
TEST_F(BackupTest, NeedsNoRoomInTheCache) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a small filesystem";
  const std::string cache = path("small");
  std::filesystem::create_directory(cache);
  const ProcessResult result =
      shell("set -e; mount -t tmpfs -o size=512k,mode=700 none " + cache +
            "; export EPOCHFS_CACHE_DIR=" + cache + "; $epochfs info " + repository_ +
            " >/dev/null; cp " + database_ + " other.db; " + "dd if=/dev/zero of=" + cache +
            "/filling bs=4k 2>/dev/null || true; " + "$epochfs backup -q " + database_ + " " +
            repository_ + "; $epochfs backup -q other.db " + repository_);
  EXPECT_EQ(shell("umount " + cache).exit_code, 0);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_EQ(lines_of(result.out), (std::vector<std::string>{"epoch 8", "epoch 1"})) << result.err;
}

TEST_F(FirstBackupTest, LeavesNothingBehindWhenAVerifyIsEnded) {
  write_file(path("data.bin"), std::string(64 << 20, 'x'));
  must({"backup", path("data.bin"), path("repository")});
  const std::filesystem::path temporary = path("temporary");
  std::filesystem::create_directory(temporary);
  const auto is_empty = [&] { return std::filesystem::is_empty(temporary); };
  bool was_ended = false;
  for (int attempt = 0; attempt < 20 && !was_ended; ++attempt) {
    Process verify(command({"verify", path("repository")}),
                   with_own_cache({.environment = {{"TMPDIR", temporary}}}));
    while (is_empty() && !verify.ends_within(std::chrono::milliseconds(1))) continue;
    verify.signal(SIGTERM);
    const int exit_code = verify.wait().exit_code;
    was_ended = exit_code == 128 + SIGTERM;
    EXPECT_TRUE(was_ended || exit_code == 0) << exit_code;
    EXPECT_TRUE(is_empty());
  }
  EXPECT_TRUE(was_ended);
}

TEST_F(FirstBackupTest, MindsNoSchemaThatThisSqliteCannotParse) {
  LiveDatabase app(path("app.db"));
  app.run(
      "CREATE TABLE t (x); PRAGMA writable_schema = 1; INSERT INTO sqlite_schema (type, name, "
      "tbl_name, rootpage, sql) VALUES ('view', 'later', 'later', 0, 'CREATE VIEW later AS !')");
  for (int i = 0; i < 2; ++i) {
    app.run("INSERT INTO t VALUES (1)");
    const ProcessResult result = epochfs({"backup", path("app.db"), path("r")});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
  }
  const ProcessResult restored = epochfs({"restore", path("r"), path("out.db")});
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_TRUE(content_of(path("out.db")) == app.image());
}

}  // namespace
}  // namespace epochfs::test
