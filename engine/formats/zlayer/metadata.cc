#include "engine/formats/zlayer/metadata.h"

#include "engine/core/time.h"
#include "engine/formats/json/json_fields.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::engine::zlayer {

Result<Metadata> parse_metadata(ByteView json) {
  TRY_ASSIGN(const JsonFields fields, read_json_object(json, {}, {}));
  Metadata metadata;
  if (!fields.is_nothing("latest_snapshot")) {
    TRY_ASSIGN(metadata.snapshot, fields.text_or_null("latest_snapshot"));
  }
  if (!fields.is_nothing("latest_wal_sequence")) {
    TRY_ASSIGN(metadata.wal_sequence, fields.number("latest_wal_sequence"));
  }
  return metadata;
}

std::string encode_metadata(const Metadata& metadata) {
  JsonObject json;
  const std::string now = format_utc(metadata.modified);
  if (metadata.snapshot)
    json.set("latest_snapshot", *metadata.snapshot).set("latest_snapshot_time", now);
  else
    json.set_null("latest_snapshot").set_null("latest_snapshot_time");
  if (metadata.wal_sequence)
    json.set("latest_wal_sequence", *metadata.wal_sequence);
  else
    json.set_null("latest_wal_sequence");
  return json.set("snapshot_count", metadata.snapshot_count)
      .set_null("db_identifier")
      .set("last_modified", now)
      .pretty();
}

}  // namespace epochfs::engine::zlayer
