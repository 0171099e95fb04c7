#include "engine/index/epoch_table.h"

#include <fmt/format.h>

#include "engine/index/index_rows.h"

namespace epochfs::engine::index_rows {

Result<EpochWalk> EpochWalk::open(lmdb::Table table, DatabaseNo database, Epoch from) {
  TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(table));
  EpochWalk walk(std::move(cursor), database);
  TRY_ASSIGN(const auto before, walk.cursor_.not_above(key(database, from.get())));
  TRY_ASSIGN(const bool entered, walk.enter(before));
  if (entered) return walk;
  TRY_ASSIGN(const auto behind, walk.cursor_.from(key(database, from.get())));
  TRY_ASSIGN(const bool any, walk.enter(behind));
  walk.at_end_ = !any;
  return walk;
}

Result<bool> EpochWalk::enter(const std::optional<lmdb::Item>& item) {
  if (!item) return false;
  TRY_ASSIGN(const EpochKey found, parse_epoch_key(item->key));
  if (found.database != database_) return false;
  group_ = EpochGroupReader(found.epoch, item->value);
  return true;
}

Result<const EpochRow*> EpochWalk::next() {
  while (!at_end_) {
    TRY_ASSIGN(const EpochRow* const row, group_.next());
    if (row != nullptr) return row;
    TRY_ASSIGN(const auto behind, cursor_.move(MDB_NEXT));
    TRY_ASSIGN(const bool entered, enter(behind));
    at_end_ = !entered;
  }
  return nullptr;
}

Result<void> EpochIntake::add(lmdb::Table table, DatabaseNo database, const EpochRow& row) {
  if (database_ != database) {
    TRY(flush(table));
    TRY(begin(table, database, row.facts.epoch));
  }
  if (group_.is_full()) {
    TRY(append(table, key(database, group_.first().get()), group_.view()));
    group_.clear();
  }
  if (!group_.empty() && row.facts.epoch <= group_.last())
    return Error::invalid(
        fmt::format("index: epoch {} after {}", row.facts.epoch.get(), group_.last().get()));
  group_.append(row);
  return {};
}

// The group that goes on with `first`, out of the table.
Result<void> EpochIntake::begin(lmdb::Table table, DatabaseNo database, Epoch first) {
  database_ = database;
  group_.clear();
  Epoch from = first;
  {
    TRY_ASSIGN(EpochWalk walk, EpochWalk::open(table, database, first));
    TRY_ASSIGN(const EpochRow* row, walk.next());
    while (row != nullptr && row->facts.epoch < first) {
      group_.append(*row);
      TRY_ASSIGN(row, walk.next());
    }
    if (!group_.empty()) from = group_.first();
  }
  return lmdb::erase_from(table, key(database, from.get()), key_prefix(database));
}

Result<void> EpochIntake::flush(lmdb::Table table) {
  if (!database_) return {};
  if (!group_.empty()) TRY(append(table, key(*database_, group_.first().get()), group_.view()));
  database_.reset();
  group_.clear();
  return {};
}

}  // namespace epochfs::engine::index_rows
