// LMDB's tables as Results. Private to this room.
//
// Trust     LMDB has no sums, so each item has one over its table, key and value. One that is not
//           what was put is kIo, and the index is gone. That an item is not found proves nothing
// Lifetime  an Item points into the index: until the transaction writes, or ends
#pragma once

#include <lmdb.h>

#include <memory>
#include <optional>
#include <string_view>

#include "engine/core/bytes.h"
#include "engine/core/handle.h"

namespace epochfs::engine::lmdb {

Failure failure(int code, std::string_view what);

struct Item {
  ByteView key;
  ByteView value;
};

// A table of the transaction that it was opened in.
struct Table {
  MDB_txn* txn = nullptr;
  MDB_dbi handle = 0;
};

class Cursor {
 public:
  static Result<Cursor> open(Table table);

  Result<std::optional<Item>> move(MDB_cursor_op op) { return get({}, op); }
  // The first item whose key is not below `key`.
  Result<std::optional<Item>> from(ByteView key) { return get(key, MDB_SET_RANGE); }
  // The last item whose key is not above `key`.
  Result<std::optional<Item>> not_above(ByteView key);
  // The item that was found last.
  Result<void> erase();

 private:
  explicit Cursor(MDB_cursor* raw) : handle_(raw) {}
  Result<std::optional<Item>> get(ByteView wanted, MDB_cursor_op op);

  std::unique_ptr<MDB_cursor, ClosedBy<mdb_cursor_close>> handle_;
};

Result<std::optional<ByteView>> find(Table table, ByteView key);
Result<void> put(Table table, ByteView key, ByteView value);
// For keys that mostly lie behind all others of their table: no place is looked for then, and pages
// are filled to their ends.
Result<void> append(Table table, ByteView key, ByteView value);
// All items from `key` on whose keys begin with `prefix`.
Result<void> erase_from(Table table, ByteView key, ByteView prefix);

bool starts_with(ByteView bytes, ByteView prefix) noexcept;

}  // namespace epochfs::engine::lmdb
