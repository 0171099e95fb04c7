#include "tests/support/sqlite_history.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tests/support/seeded_noise.h"

namespace epochfs::test {

SqliteHistory::SqliteHistory(const std::string& path, std::int64_t row_count,
                             const SqliteHistoryOptions& options)
    : database_(path), random_(options.seed) {
  add_noise(database_.handle(), random_);
  database_.run(
      fmt::format("PRAGMA page_size = {}; PRAGMA journal_mode = {}; PRAGMA wal_autocheckpoint = 0;"
                  "PRAGMA busy_timeout = 30000",
                  options.page_size, options.journal_mode));
  database_.run(fmt::format(
      "BEGIN IMMEDIATE; CREATE TABLE ledger(id INTEGER PRIMARY KEY, step INTEGER, text TEXT);"
      "INSERT INTO ledger(step, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
      " FROM n LIMIT {}) SELECT 1, hex(noise(40)) FROM n;"
      "CREATE INDEX ledger_text ON ledger(text); COMMIT",
      row_count));
  remember();
}

void SqliteHistory::commit(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t step = moments_.size() + 1;
    const auto rows = static_cast<std::uint64_t>(moments_.back().rows);
    std::string statements = "BEGIN IMMEDIATE;";
    for (std::uint64_t added = random_() % 6 + 1; added > 0; --added) {
      statements +=
          fmt::format("INSERT INTO ledger(step, text) VALUES ({}, '{}');", step, random_text());
    }
    for (std::uint64_t changed = random_() % 4; changed > 0; --changed) {
      statements += fmt::format("UPDATE ledger SET step = {}, text = '{}' WHERE id = {};", step,
                                random_text(), random_() % rows + 1);
    }
    statements += fmt::format("DELETE FROM ledger WHERE id = {};", random_() % (rows * 4) + 1);
    database_.run(statements + "COMMIT");
    remember();
  }
}

void SqliteHistory::checkpoint() {
  if (database_.ask("PRAGMA wal_checkpoint(PASSIVE)") != "0")
    throw std::runtime_error("checkpoint: busy");
}

std::string SqliteHistory::random_text() {
  std::string text(random_() % 300, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random_() % 26);
  return text;
}

void SqliteHistory::remember() {
  Moment moment;
  moment.step = moments_.size() + 1;
  database_.run("BEGIN");
  moment.rows = std::stoll(database_.ask("SELECT count(*) FROM ledger"));
  moment.step_sum = std::stoll(database_.ask("SELECT sum(step) FROM ledger"));
  moment.image = database_.image();
  database_.run("COMMIT");
  moments_.push_back(std::move(moment));
}

}  // namespace epochfs::test
