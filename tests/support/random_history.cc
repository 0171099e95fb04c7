#include "tests/support/random_history.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <ostream>
#include <stdexcept>
#include <thread>

#include "tests/support/seeded_noise.h"

namespace epochfs::test {

std::string RandomHistoryOptions::name() const {
  return fmt::format("{}{}{}", journal_mode, page_size, auto_vacuum);
}

void PrintTo(const RandomHistoryOptions& options, std::ostream* out) { *out << options.name(); }

RandomHistory::RandomHistory(const std::string& path, const RandomHistoryOptions& options,
                             std::uint64_t seed)
    : path_(path), options_(options), random_(seed), writer_(path) {
  add_noise(writer_.handle(), random_);
  writer_.run(fmt::format("PRAGMA page_size = {}", options.page_size));
  writer_.run("PRAGMA auto_vacuum = " + options.auto_vacuum);
  writer_.run("PRAGMA journal_mode = " + options.journal_mode);
  writer_.run("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
  writer_.run("PRAGMA busy_timeout = 30000");
  writer_.run(fmt::format("PRAGMA secure_delete = {}", below(2)));
  writer_.run(below(2) == 0 ? "PRAGMA cache_size = 5" : "PRAGMA cache_size = 5000");  // spills
  writer_.run(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB); CREATE INDEX i ON t (length(body));"
      "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)");
  remember();
}

void RandomHistory::step() {
  switch (below(48)) {
    case 0:
      writer_.run("VACUUM");
      break;
    case 1:
      vacuum_into_other_pages();
      break;
    case 2:
    case 3:
      writer_.run(fmt::format("PRAGMA incremental_vacuum({})", 1 + below(20)));
      break;
    case 4:
    case 5:
      writer_.run(
          "BEGIN; CREATE TABLE big AS SELECT noise(3000) AS b FROM t LIMIT 40;"
          "DROP TABLE big; UPDATE counter SET n = n + 1; COMMIT");
      break;
    case 6:
    case 7:
      writer_.run("BEGIN; DELETE FROM t WHERE id % 3 <> 0; UPDATE counter SET n = n + 1; COMMIT");
      break;
    case 8:
    case 9:
      roll_back();
      break;
    case 10:
    case 11:
      checkpoint();
      break;
    default:
      transaction();
  }
  remember();
}

std::string RandomHistory::random_write() {
  switch (below(3)) {
    case 0:
      return fmt::format("DELETE FROM t WHERE id = {}", below(120));
    case 1:
      return fmt::format("UPDATE t SET body = noise({}) WHERE id % 7 = {}", below(2000), below(7));
    default:
      return fmt::format("INSERT OR REPLACE INTO t VALUES ({}, noise({}))", below(120),
                         below(5000));
  }
}

void RandomHistory::transaction() {
  writer_.run("BEGIN; UPDATE counter SET n = n + 1");
  for (std::uint64_t writes = 1 + below(12); writes > 0; --writes) {
    // Without a journal there is no way back.
    const bool savepoint = options_.journal_mode != "OFF" && below(4) == 0;
    if (savepoint) writer_.run("SAVEPOINT s");
    writer_.run(random_write());
    if (savepoint) writer_.run(below(2) == 0 ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
  }
  writer_.run("COMMIT");
}

void RandomHistory::roll_back() {
  if (options_.journal_mode == "OFF") return;
  writer_.run("BEGIN; UPDATE counter SET n = n + 1");
  for (int i = 0; i < 8; ++i) writer_.run(random_write());
  writer_.run("ROLLBACK");
  // What was spilled over free pages stays there: no journal keeps them, and no counter tells a
  // reader with a cache of its own.
  reader_.reset();
}

void RandomHistory::checkpoint() {
  if (options_.journal_mode != "WAL") return;
  constexpr std::array<const char*, 4> kModes = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};
  writer_.run(fmt::format("PRAGMA wal_checkpoint({})", kModes.at(below(kModes.size()))));
}

// Pages keep their size in WAL mode, so that has to be left for a while; each way is a commit.
void RandomHistory::vacuum_into_other_pages() {
  const bool wal = options_.journal_mode == "WAL";
  if (wal) set_journal_mode("DELETE");
  writer_.run(fmt::format("PRAGMA page_size = {}; VACUUM", 512U << below(8)));
  remember();
  if (wal) set_journal_mode("WAL");
}

void RandomHistory::set_journal_mode(const std::string& mode) {
  reader_.reset();
  // Needs the database for itself, and for that SQLite does not wait.
  int code = SQLITE_OK;
  while ((code = writer_.attempt("PRAGMA journal_mode = " + mode)) == SQLITE_BUSY)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (code != SQLITE_OK) throw std::runtime_error("journal mode " + mode);
  remember();
}

void RandomHistory::remember() {
  if (!reader_) {
    reader_ = std::make_unique<LiveDatabase>(path_);
    version_.clear();  // each connection counts for itself
  }
  const std::string version = reader_->ask("PRAGMA data_version");
  if (version == version_) return;
  version_ = version;
  reader_->run("BEGIN");
  Moment moment{reader_->ask("SELECT n FROM counter"), reader_->image()};
  reader_->run("COMMIT");
  // The version also changes when a checkpoint restarts the log; a transaction counts up.
  if (moments_.empty() || moments_.back().image != moment.image)
    moments_.push_back(std::move(moment));
}

}  // namespace epochfs::test
