// Pages that a transaction adds without writing them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "engine/formats/sqlite/database_header.h"
#include "tests/capture/live_database.h"
#include "tests/capture/replay.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

class Growth : public ::testing::Test {
 protected:
  Growth() {
    writer_.run(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = OFF; PRAGMA cache_size = 5000;"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, body)");
    EXPECT_TRUE(replay_.back_up());
  }

  void fill() {
    writer_.run(
        "INSERT INTO t (body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 300) SELECT randomblob(900) FROM n");
  }
  void shrink() { writer_.run("DELETE FROM t; PRAGMA incremental_vacuum"); }
  // The new pages are free again when the transaction ends, so SQLite does not write them.
  void grow_without_writing() {
    writer_.run(
        "BEGIN; CREATE TABLE big (body); INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 "
        "UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT randomblob(900) FROM n;"
        "DROP TABLE big; INSERT INTO t (body) VALUES (1); COMMIT");
  }
  std::string seen() { return LiveDatabase(path_).image(); }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "app.db";
  LiveDatabase writer_{path_};
  Replay replay_{path_};
};

TEST_F(Growth, GivesPagesThatWereNeverWrittenAsZeros) {
  const std::string before = seen();
  grow_without_writing();
  const std::string after = seen();
  ASSERT_GT(after.size(), before.size() + 20 * 4096);
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_commits, 1U) << replay_.last_reason;
  EXPECT_EQ(replay_.newest(), after);
}

TEST_F(Growth, GivesWhatAnOlderFrameHolds) {
  fill();
  shrink();
  ASSERT_WORKS(replay_.back_up());
  grow_without_writing();
  const std::string after = seen();
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_commits, 1U) << replay_.last_reason;
  EXPECT_EQ(replay_.newest(), after);
}

TEST_F(Growth, GivesWhatTheDatabaseFileStillHolds) {
  fill();
  writer_.run("PRAGMA wal_checkpoint(TRUNCATE)");
  shrink();
  ASSERT_WORKS(replay_.back_up());
  grow_without_writing();
  const std::string after = seen();
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_commits, 1U) << replay_.last_reason;
  EXPECT_EQ(replay_.newest(), after);
}

TEST_F(Growth, ComparesPagesWhenACheckpointHidWhatReadersSaw) {
  fill();
  shrink();
  ASSERT_WORKS(replay_.back_up());
  LiveDatabase reader(path_);
  reader.run("BEGIN; SELECT * FROM t");  // keeps the log from being restarted
  // Cuts the file, so that a reader finds nothing where an older frame still is.
  writer_.run("PRAGMA wal_checkpoint(PASSIVE)");
  grow_without_writing();
  const std::string after = seen();
  ASSERT_WORKS(replay_.back_up());
  EXPECT_NE(replay_.last_reason.find("a checkpoint hid"), std::string::npos) << replay_.last_reason;
  EXPECT_EQ(replay_.newest(), after);
}

TEST_F(Growth, TreatsThePageOfTheLocksAsZeros) {
  constexpr std::uint32_t kPageBytes = 65536;
  const engine::PageNo lock_page =
      engine::sqlite::lock_byte_page(*engine::PageSize::from(kPageBytes));
  const std::string path = directory_ / "large.db";
  {
    LiveDatabase maker(path);
    maker.run("PRAGMA page_size = 65536; CREATE TABLE t (body)");
  }
  // Grown by hand to the last page before the lock's, as a sparse file: nobody uses those pages.
  std::string header = file_bytes(path).substr(0, 100);
  const std::uint32_t pages = lock_page.get() - 1;
  for (std::size_t i = 0; i < 4; ++i) header[28 + i] = static_cast<char>(pages >> (24 - 8 * i));
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file << header;
  }
  std::filesystem::resize_file(path, std::uint64_t{pages} * kPageBytes);
  LiveDatabase writer(path);
  writer.run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  writer.run("INSERT INTO t VALUES (1)");

  engine::SnapshotOptions options;
  options.path = path;
  engine::KnownState known;
  {
    const auto first = engine::open_snapshot(options);
    ASSERT_WORKS(first);
    ASSERT_WORKS((*first)->confirm());
    known.cursor = (*first)->cursor();
    known.page_size = (*first)->info().page_size;
    known.newest.size_bytes = (*first)->info().size_bytes;
    ASSERT_EQ(known.newest.size_bytes, std::uint64_t{pages} * kPageBytes);
  }
  writer.run("INSERT INTO t VALUES (randomblob(400000))");
  const auto snapshot = engine::open_snapshot(options);
  ASSERT_WORKS(snapshot);
  const auto changes = (*snapshot)->changes_since(known);
  ASSERT_WORKS(changes);
  EXPECT_EQ((*changes)->page_diff_reason(), "");
  const auto batch = (*changes)->next();
  ASSERT_WORKS(batch);
  ASSERT_NE(*batch, nullptr);
  std::set<std::uint32_t> given;
  bool lock_page_is_zero = false;
  ASSERT_WORKS((*batch)->visit([&](PageNo page, std::uint32_t, ByteView bytes) -> Result<void> {
    given.insert(page.get());
    if (page == lock_page)
      lock_page_is_zero = std::all_of(bytes.begin(), bytes.end(),
                                      [](std::byte byte) { return byte == std::byte{0}; });
    return {};
  }));
  EXPECT_TRUE(lock_page_is_zero);
  EXPECT_TRUE(given.contains(lock_page.get() + 1));
}

}  // namespace
}  // namespace epochfs::test
