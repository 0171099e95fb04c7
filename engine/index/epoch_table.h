// The table of epochs: groups of them, by the number of the database and their first epoch. Private
// to this room.
#pragma once

#include "engine/index/epoch_group.h"
#include "engine/index/lmdb_table.h"

namespace epochfs::engine::index_rows {

// The epochs of a database in order.
class EpochWalk {
 public:
  // Begins at `from` or somewhat before it.
  static Result<EpochWalk> open(lmdb::Table table, DatabaseNo database, Epoch from);

  // The next epoch, valid until the call after; nullptr: there is no other.
  Result<const EpochRow*> next();
  // Whether no group of the database lies before the one that next() is in.
  [[nodiscard]] bool is_in_first_group() const noexcept { return !group_ || group_->leads(); }

 private:
  EpochWalk(lmdb::Table table, lmdb::Cursor cursor, DatabaseNo database)
      : table_(table), cursor_(std::move(cursor)), database_(database) {}
  // Takes the group of the item, if it is one of the database's.
  Result<bool> enter(const std::optional<lmdb::Item>& item);

  lmdb::Table table_;
  lmdb::Cursor cursor_;
  DatabaseNo database_;
  Epoch first_;                            // of group_
  std::optional<EpochGroupReader> group_;  // none: at the end
};

// Epochs on their way into the table, within one transaction.
class EpochIntake {
 public:
  // The epochs of a database ascend; the first one that is added takes the place of all that the
  // table has from it on.
  Result<void> add(lmdb::Table table, DatabaseNo database, const EpochRow& row);
  // What was added is in the table from now on.
  Result<void> flush(lmdb::Table table);

 private:
  Result<void> begin(lmdb::Table table, DatabaseNo database, Epoch first);

  std::optional<DatabaseNo> database_;  // whose epochs are being added
  EpochGroup group_;
};

}  // namespace epochfs::engine::index_rows
