#include "engine/index/epoch_table.h"

#include <fmt/format.h>

#include "engine/index/index_faults.h"
#include "engine/index/index_rows.h"

namespace epochfs::engine::index_rows {

// What is not found was not put only where the groups around it say so: LMDB may have been led
// astray.
Result<EpochWalk> EpochWalk::open(lmdb::Table table, DatabaseNo database, Epoch from) {
  TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(table));
  EpochWalk walk(table, std::move(cursor), database);
  TRY_ASSIGN(const auto before, walk.cursor_.not_above(key(database, from.get())));
  TRY_ASSIGN(const bool entered, walk.enter(before));
  if (entered) {
    const auto& behind = walk.group_->behind();
    if (behind && *behind <= from) return damaged_index(table.txn);
    return walk;
  }
  TRY_ASSIGN(const auto behind, walk.cursor_.from(key(database, from.get())));
  TRY_ASSIGN(const bool any, walk.enter(behind));
  if (any && !walk.group_->leads()) return damaged_index(table.txn);
  return walk;
}

Result<bool> EpochWalk::enter(const std::optional<lmdb::Item>& item) {
  group_.reset();
  if (!item) return false;
  TRY_ASSIGN(const EpochKey found, parse_epoch_key(item->key));
  if (found.database != database_) return false;
  first_ = found.epoch;
  TRY_ASSIGN(group_, EpochGroupReader::open(found.epoch, item->value));
  return true;
}

Result<const EpochRow*> EpochWalk::next() {
  while (group_) {
    TRY_ASSIGN(const EpochRow* const row, group_->next());
    if (row != nullptr) return row;
    const std::optional<Epoch> expected = group_->behind();
    TRY_ASSIGN(const auto behind, cursor_.move(MDB_NEXT));
    TRY_ASSIGN(const bool entered, enter(behind));
    if (entered ? expected != first_ : expected.has_value()) return damaged_index(table_.txn);
  }
  return nullptr;
}

Result<void> EpochIntake::add(lmdb::Table table, DatabaseNo database, const EpochRow& row) {
  if (database_ != database) {
    TRY(flush(table));
    TRY(begin(table, database, row.facts.epoch));
  }
  if (group_.is_full()) {
    const Epoch behind = row.facts.epoch;
    TRY(append(table, key(database, group_.first().get()), group_.bytes(behind)));
    group_.clear();
    group_.set_leads(false);
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
    const bool leads = walk.is_in_first_group();
    TRY_ASSIGN(const EpochRow* row, walk.next());
    while (row != nullptr && row->facts.epoch < first) {
      group_.append(*row);
      TRY_ASSIGN(row, walk.next());
    }
    if (!group_.empty()) from = group_.first();
    group_.set_leads(leads);
  }
  return lmdb::erase_from(table, key(database, from.get()), key_prefix(database));
}

Result<void> EpochIntake::flush(lmdb::Table table) {
  if (!database_) return {};
  if (!group_.empty())
    TRY(append(table, key(*database_, group_.first().get()), group_.bytes(std::nullopt)));
  database_.reset();
  group_.clear();
  return {};
}

}  // namespace epochfs::engine::index_rows
