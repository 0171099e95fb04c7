#include "engine/index/lmdb_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/index/index_faults.h"

namespace epochfs::engine::lmdb {
namespace {

MDB_val value_of(ByteView bytes) {
  // LMDB's API has no const, but it does not write through the keys and values it is given.
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}

ByteView view_of(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

int put_with(Table table, ByteView key, ByteView value, unsigned flags) {
  MDB_val raw_key = value_of(key);
  MDB_val raw_value = value_of(value);
  const LmdbCall call(table.txn);
  return mdb_put(table.txn, table.handle, &raw_key, &raw_value, flags);
}

}  // namespace

Failure failure(int code, std::string_view what) {
  if (code > 0) return Error::from_errno(code, fmt::format("index: {}", what));
  return Error::io(fmt::format("index: {}: {}", what, mdb_strerror(code)));
}

bool starts_with(ByteView bytes, ByteView prefix) noexcept {
  return bytes.size() >= prefix.size() && std::ranges::equal(bytes.first(prefix.size()), prefix);
}

Result<Cursor> Cursor::open(Table table) {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(table.txn, table.handle, &raw); code != 0)
    return failure(code, "open a cursor");
  return Cursor(raw);
}

Result<std::optional<Item>> Cursor::not_above(ByteView key) {
  TRY_ASSIGN(const std::optional<Item> at, from(key));
  if (!at) return move(MDB_LAST);
  if (std::ranges::equal(at->key, key)) return at;
  return move(MDB_PREV);
}

Result<void> Cursor::erase() {
  const LmdbCall call(mdb_cursor_txn(handle_.get()));
  if (const int code = mdb_cursor_del(handle_.get(), 0); code != 0) return failure(code, "delete");
  return {};
}

Result<std::optional<Item>> Cursor::get(ByteView wanted, MDB_cursor_op op) {
  MDB_val key = value_of(wanted);
  MDB_val value{};
  const LmdbCall call(mdb_cursor_txn(handle_.get()));
  const int code = mdb_cursor_get(handle_.get(), &key, &value, op);
  if (code == MDB_NOTFOUND) return std::optional<Item>();
  if (code != 0) return failure(code, "look up");
  return std::optional(Item{view_of(key), view_of(value)});
}

Result<std::optional<ByteView>> find(Table table, ByteView key) {
  MDB_val wanted = value_of(key);
  MDB_val value{};
  const LmdbCall call(table.txn);
  const int code = mdb_get(table.txn, table.handle, &wanted, &value);
  if (code == MDB_NOTFOUND) return std::optional<ByteView>();
  if (code != 0) return failure(code, "look up");
  return std::optional(view_of(value));
}

Result<void> put(Table table, ByteView key, ByteView value) {
  if (const int code = put_with(table, key, value, 0); code != 0) return failure(code, "store");
  return {};
}

Result<void> append(Table table, ByteView key, ByteView value) {
  const int code = put_with(table, key, value, MDB_APPEND);
  if (code == MDB_KEYEXIST) return put(table, key, value);
  if (code != 0) return failure(code, "store");
  return {};
}

Result<void> erase_from(Table table, ByteView key, ByteView prefix) {
  TRY_ASSIGN(Cursor cursor, Cursor::open(table));
  TRY_ASSIGN(std::optional<Item> item, cursor.from(key));
  while (item && starts_with(item->key, prefix)) {
    TRY(cursor.erase());
    TRY_ASSIGN(item, cursor.from(key));
  }
  return {};
}

}  // namespace epochfs::engine::lmdb
