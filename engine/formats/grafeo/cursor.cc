#include "engine/formats/grafeo/cursor.h"

#include <fmt/format.h>

#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/json/json_fields.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::engine::grafeo {
namespace {

// From here on (February 1970) a time begins with a byte that UTF-8 does not have. So nothing that
// is left of a JSON cursor passes for a short one of version 1.
constexpr UnixMillis kWrittenMin(1ULL << 32U);

Result<BackupCursor> cursor_from_json(ByteView document) {
  TRY_ASSIGN(const JsonFields fields, read_json_object(document, {}, {}));
  BackupCursor cursor;
  cursor.generation = Generation::kV2;
  TRY_ASSIGN(cursor.backed_up_epoch, fields.number("backed_up_epoch").map(as<Epoch>));
  TRY_ASSIGN(cursor.log_sequence, fields.number("log_sequence"));
  TRY_ASSIGN(cursor.wal_lsn, fields.number("wal_lsn").map(as<Lsn>));
  TRY_ASSIGN(cursor.written, fields.number("timestamp_ms").map(as<UnixMillis>));
  return cursor;
}

Result<BackupCursor> cursor_from_bincode(ByteView document) {
  ByteCursor in(document);
  BackupCursor cursor;
  cursor.generation = Generation::kV1;
  TRY_ASSIGN(cursor.backed_up_epoch, take_number(in).map(as<Epoch>));
  TRY_ASSIGN(cursor.log_sequence, take_number(in));
  TRY_ASSIGN(cursor.written, take_number(in).map(as<UnixMillis>));
  TRY(in.expect_end());
  if (cursor.written < kWrittenMin) return Error::corrupt("written in 1970");
  return cursor;
}

}  // namespace

Result<BackupCursor> parse_cursor(ByteView document) {
  if (document.size() > kCursorBytesMax)
    return Error::corrupt(fmt::format("a backup cursor of {} bytes", document.size()));
  // A v1 cursor may begin with a brace (at epoch 123), but no v1 cursor is JSON.
  auto json = cursor_from_json(document);
  if (json) return json;
  auto bincode = cursor_from_bincode(document);
  if (bincode) return bincode;
  return Error::corrupt(fmt::format("no backup cursor, neither as JSON ({}) nor as bincode ({})",
                                    json.error().text, bincode.error().text));
}

Bytes encode_cursor(const BackupCursor& cursor) {
  if (cursor.generation == Generation::kV2)
    return to_bytes(JsonObject()
                        .set("backed_up_epoch", cursor.backed_up_epoch.get())
                        .set("log_sequence", cursor.log_sequence)
                        .set("wal_lsn", cursor.wal_lsn.get())
                        .set("timestamp_ms", cursor.written.get())
                        .pretty());
  ByteWriter out;
  put_number(out, cursor.backed_up_epoch.get());
  put_number(out, cursor.log_sequence);
  put_number(out, cursor.written.get());
  return std::move(out).take();
}

}  // namespace epochfs::engine::grafeo
