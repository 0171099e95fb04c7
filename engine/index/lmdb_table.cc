#include "engine/index/lmdb_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/hash.h"
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

using Sum = std::uint32_t;

Sum sum_of(MDB_dbi table, ByteView key, ByteView value) noexcept {
  return static_cast<Sum>(page_hash(value) + 31 * page_hash(key) + table);
}

int put_with(Table table, ByteView key, ByteView value, unsigned flags) {
  MDB_val raw_key = value_of(key);
  MDB_val room{sizeof(Sum) + value.size(), nullptr};
  const LmdbCall call(table.txn);
  const int code = mdb_put(table.txn, table.handle, &raw_key, &room, flags | MDB_RESERVE);
  if (code != 0) return code;
  const MutableByteView stored(static_cast<std::byte*>(room.mv_data), room.mv_size);
  store_le(stored, sum_of(table.handle, key, value));
  copy_bytes(value, stored.subspan(sizeof(Sum)));
  return 0;
}

Result<Item> checked(Table table, const MDB_val& raw_key, const MDB_val& raw_value) {
  const ByteView key = view_of(raw_key);
  const ByteView stored = view_of(raw_value);
  if (stored.size() < sizeof(Sum)) return damaged_index(table.txn);
  const ByteView value = stored.subspan(sizeof(Sum));
  if (load_le<Sum>(stored) != sum_of(table.handle, key, value)) return damaged_index(table.txn);
  return Item{key, value};
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
  const Table table{mdb_cursor_txn(handle_.get()), mdb_cursor_dbi(handle_.get())};
  TRY_ASSIGN(const Item item, checked(table, key, value));
  return std::optional(item);
}

Result<std::optional<ByteView>> find(Table table, ByteView key) {
  MDB_val wanted = value_of(key);
  MDB_val value{};
  const LmdbCall call(table.txn);
  const int code = mdb_get(table.txn, table.handle, &wanted, &value);
  if (code == MDB_NOTFOUND) return std::optional<ByteView>();
  if (code != 0) return failure(code, "look up");
  TRY_ASSIGN(const Item item, checked(table, wanted, value));
  return std::optional(item.value);
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
