#include "tests/support/sqlite_history.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <stdexcept>

#include "engine/core/handle.h"

namespace epochfs::test {
namespace {

using Statement = std::unique_ptr<sqlite3_stmt, engine::ClosedBy<sqlite3_finalize>>;
using Message = std::unique_ptr<char, engine::ClosedBy<sqlite3_free>>;
using Image = std::unique_ptr<unsigned char, engine::ClosedBy<sqlite3_free>>;

[[noreturn]] void fail(sqlite3* database, std::string_view where) {
  throw std::runtime_error(fmt::format("SQLite: {}: {}", where, sqlite3_errmsg(database)));
}

}  // namespace

void SqliteHistory::Close::operator()(sqlite3* database) const noexcept {
  sqlite3_close_v2(database);
}

SqliteHistory::SqliteHistory(const std::string& path, std::int64_t row_count,
                             const SqliteHistoryOptions& options)
    : random_(options.seed) {
  sqlite3* database = nullptr;
  const int rc = sqlite3_open(path.c_str(), &database);
  database_.reset(database);
  if (rc != SQLITE_OK) fail(database, path);
  run(
      fmt::format("PRAGMA page_size = {}; PRAGMA journal_mode = {}; PRAGMA wal_autocheckpoint = 0;"
                  "PRAGMA busy_timeout = 30000",
                  options.page_size, options.journal_mode));
  run(fmt::format(
      "BEGIN IMMEDIATE; CREATE TABLE ledger(id INTEGER PRIMARY KEY, step INTEGER, text TEXT);"
      "INSERT INTO ledger(step, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
      "n "
      "LIMIT {}) SELECT 1, hex(randomblob(40)) FROM n; CREATE INDEX ledger_text ON ledger(text);"
      "COMMIT",
      row_count));
  remember();
}

SqliteHistory::~SqliteHistory() = default;

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
    run(statements + "COMMIT");
    remember();
  }
}

void SqliteHistory::checkpoint() {
  if (ask("PRAGMA wal_checkpoint(PASSIVE)") != 0) fail(database_.get(), "checkpoint: busy");
}

void SqliteHistory::run(const std::string& statements) {
  char* raw = nullptr;
  const int rc = sqlite3_exec(database_.get(), statements.c_str(), nullptr, nullptr, &raw);
  const Message message(raw);
  if (rc != SQLITE_OK) fail(database_.get(), statements);
}

std::int64_t SqliteHistory::ask(const std::string& query) {
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v2(database_.get(), query.c_str(), -1, &raw, nullptr);
  const Statement statement(raw);
  if (rc != SQLITE_OK || sqlite3_step(raw) != SQLITE_ROW) fail(database_.get(), query);
  return sqlite3_column_int64(raw, 0);
}

std::string SqliteHistory::random_text() {
  std::string text(random_() % 300, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random_() % 26);
  return text;
}

void SqliteHistory::remember() {
  Moment moment;
  moment.step = moments_.size() + 1;
  run("BEGIN");
  moment.rows = ask("SELECT count(*) FROM ledger");
  moment.step_sum = ask("SELECT sum(step) FROM ledger");
  // Page after page as the pager gives them to this read transaction.
  sqlite3_int64 size = 0;
  const Image image(sqlite3_serialize(database_.get(), "main", &size, 0));
  if (!image) fail(database_.get(), "serialize");
  const unsigned char* bytes = image.get();
  moment.image.assign(bytes, bytes + size);
  run("COMMIT");
  moments_.push_back(std::move(moment));
}

}  // namespace epochfs::test
