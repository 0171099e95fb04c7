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

 private:
  EpochWalk(lmdb::Cursor cursor, DatabaseNo database)
      : cursor_(std::move(cursor)), database_(database), group_(Epoch(), {}) {}
  // Takes the group of the item, if it is one of the database's.
  Result<bool> enter(const std::optional<lmdb::Item>& item);

  lmdb::Cursor cursor_;
  DatabaseNo database_;
  EpochGroupReader group_;
  bool at_end_ = false;
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
