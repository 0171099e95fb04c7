#include "engine/formats/native/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/core/text.h"
#include "engine/formats/json/json_fields.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::engine::native {
namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::string_view kRepositoryFormat = "epochfs-repository";
constexpr std::string_view kManifestFormat = "epochfs-manifest";
constexpr std::string_view kCursorFormat = "epochfs-cursor";
constexpr std::size_t kRepositoryIdSize = 32;

constexpr std::string_view kFullKind = "Full";
constexpr std::string_view kIncrementalKind = "Incremental";

Result<void> check_size(ByteView json, std::uint64_t bytes_max) {
  if (json.size() > bytes_max) return Error::corrupt(fmt::format("{} bytes long", json.size()));
  return {};
}

Result<void> check_format(const JsonFields& fields, std::string_view format) {
  TRY_ASSIGN(const std::string found, fields.text("format"));
  if (found != format) return Error::corrupt(fmt::format("format is not {}", format));
  TRY_ASSIGN(const std::uint64_t version, fields.number("format_version"));
  if (version > kFormatVersion)
    return Error::unsupported(fmt::format("{} version {}", format, version));
  if (version != kFormatVersion) return Error::corrupt(fmt::format("{} version 0", format));
  return {};
}

Result<std::string> plain_name(const JsonFields& fields, std::string_view field) {
  TRY_ASSIGN(std::string name, fields.text(field));
  if (!is_path_component(name))
    return Error::corrupt(fmt::format("{} is no plain name: '{}'", field, printable(name)));
  return name;
}

// Names of objects: no other program's hidden files, none of a writer's temporary ones.
Result<std::string> object_name(const JsonFields& fields, std::string_view field) {
  TRY_ASSIGN(std::string name, plain_name(fields, field));
  if (name.front() == '.')
    return Error::corrupt(fmt::format("{} is hidden: '{}'", field, printable(name)));
  return name;
}

Result<Sha256Digest> digest(const JsonFields& fields, std::string_view field) {
  TRY_ASSIGN(const std::string hex, fields.text(field));
  return with_context(sha256_from_hex(hex), [&] { return std::string(field); });
}

Result<SegmentKind> segment_kind(const JsonFields& fields) {
  TRY_ASSIGN(const std::string kind, fields.text("kind"));
  if (kind == kFullKind) return SegmentKind::kFull;
  if (kind == kIncrementalKind) return SegmentKind::kIncremental;
  return Error::corrupt(fmt::format("segment kind '{}'", printable(kind)));
}

JsonObject segment_object(const SegmentEntry& entry) {
  const bool full = entry.kind == SegmentKind::kFull;
  JsonObject object;
  object.set("kind", full ? kFullKind : kIncrementalKind)
      .set("filename", entry.filename)
      .set("start_epoch", entry.start_epoch.get())
      .set("end_epoch", entry.end_epoch.get())
      .set("checksum", entry.checksum)
      .set("size_bytes", entry.size_bytes)
      .set("created_at_ms", entry.created_at_ms)
      .set("sha256", to_hex(entry.sha256))
      .set("tables_sha256", to_hex(entry.tables_sha256))
      .set("page_size", entry.page_size);
  if (full)
    object.set_null("base");
  else
    object.set("base", entry.base);
  return object;
}

Result<SegmentEntry> segment_entry(const JsonFields& fields) {
  SegmentEntry entry;
  TRY_ASSIGN(entry.kind, segment_kind(fields));
  TRY_ASSIGN(entry.filename, object_name(fields, "filename"));
  TRY_ASSIGN(const std::uint64_t start_epoch, fields.number("start_epoch"));
  TRY_ASSIGN(const std::uint64_t end_epoch, fields.number("end_epoch"));
  entry.start_epoch = Epoch(start_epoch);
  entry.end_epoch = Epoch(end_epoch);
  TRY_ASSIGN(entry.checksum, fields.number_as<std::uint32_t>("checksum"));
  TRY_ASSIGN(entry.size_bytes, fields.number("size_bytes"));
  TRY_ASSIGN(entry.created_at_ms, fields.number("created_at_ms"));
  TRY_ASSIGN(entry.sha256, digest(fields, "sha256"));
  TRY_ASSIGN(entry.tables_sha256, digest(fields, "tables_sha256"));
  TRY_ASSIGN(entry.page_size, fields.number_as<std::uint32_t>("page_size"));
  TRY(PageSize::from(entry.page_size));
  if (entry.kind == SegmentKind::kIncremental) {
    TRY_ASSIGN(entry.base, object_name(fields, "base"));
  } else {
    TRY_ASSIGN(const auto base, fields.text_or_null("base"));
    if (base) return Error::corrupt("a full with a base");
  }
  return entry;
}

// Takes segments one after another and sees to it that together they are a history.
class SegmentList {
 public:
  Result<void> add(const JsonFields& fields) {
    const auto where = [this] { return fmt::format("segment {}", entries_.size() + 1); };
    TRY_ASSIGN(SegmentEntry entry, with_context(segment_entry(fields), where));
    TRY(with_context(check(entry), where));
    page_sizes_.emplace(entry.filename,
                        entry.kind == SegmentKind::kFull ? entry.page_size : kNotAFull);
    entries_.push_back(std::move(entry));
    return {};
  }
  std::vector<SegmentEntry> take() && { return std::move(entries_); }

 private:
  static constexpr std::uint32_t kNotAFull = 0;

  Result<void> check(const SegmentEntry& entry) const {
    const Epoch newest = entries_.empty() ? Epoch(0) : entries_.back().end_epoch;
    if (page_sizes_.contains(entry.filename))
      return Error::corrupt(fmt::format("{} occurs twice", printable(entry.filename)));
    if (entry.kind == SegmentKind::kFull) {
      // A full may hold the newest epoch anew.
      if (entry.start_epoch != Epoch(0) || entry.end_epoch == Epoch(0) || entry.end_epoch < newest)
        return Error::corrupt("epochs of a full");
      return {};
    }
    if (entry.start_epoch <= newest || entry.end_epoch < entry.start_epoch)
      return Error::corrupt("epochs run backwards");
    const auto base = page_sizes_.find(entry.base);
    if (base == page_sizes_.end() || base->second != entry.page_size)
      return Error::corrupt(fmt::format("base {} is no full before it with the same page size",
                                        printable(entry.base)));
    return {};
  }

  std::vector<SegmentEntry> entries_;
  std::map<std::string, std::uint32_t> page_sizes_;  // of all files, kNotAFull for incrementals
};

Result<SourcePosition> source_position(const JsonFields& fields) {
  SourcePosition position;
  TRY_ASSIGN(position.salt1, fields.number_as<std::uint32_t>("wal_salt1"));
  TRY_ASSIGN(position.salt2, fields.number_as<std::uint32_t>("wal_salt2"));
  TRY_ASSIGN(position.checkpoint_sequence,
             fields.number_as<std::uint32_t>("wal_checkpoint_sequence"));
  TRY_ASSIGN(position.frame, fields.number_as<std::uint32_t>("wal_frame"));
  return position;
}

Result<JsonFields> read_document(ByteView json, std::uint64_t bytes_max, std::string_view format) {
  TRY(check_size(json, bytes_max));
  TRY_ASSIGN(JsonFields fields, read_json_object(json, {}, {}));
  TRY(check_format(fields, format));
  return fields;
}

}  // namespace

std::string encode_repository(const RepositoryInfo& info) {
  return JsonObject()
      .set("format", kRepositoryFormat)
      .set("format_version", kFormatVersion)
      .set("id", info.id)
      .set("created_ns", info.created.get())
      .pretty();
}

Result<RepositoryInfo> parse_repository(ByteView json) {
  TRY_ASSIGN(const JsonFields fields, read_document(json, kRepositoryBytesMax, kRepositoryFormat));
  RepositoryInfo info;
  TRY_ASSIGN(info.id, fields.text("id"));
  const bool is_hex = std::ranges::all_of(
      info.id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (info.id.size() != kRepositoryIdSize || !is_hex)
    return Error::corrupt(fmt::format("id needs {} hex digits", kRepositoryIdSize));
  TRY_ASSIGN(const std::int64_t created, fields.signed_number("created_ns"));
  info.created = UtcTime(created);
  return info;
}

std::string_view engine_name(Engine engine) noexcept {
  switch (engine) {
    case Engine::kSqlite:
      return "sqlite";
    case Engine::kFile:
      return "file";
    case Engine::kGrafeo:
      break;
  }
  return "grafeo";
}

Result<Engine> engine_from(std::string_view name) {
  for (const Engine engine : {Engine::kSqlite, Engine::kFile}) {
    if (name == engine_name(engine)) return engine;
  }
  return Error::unsupported(fmt::format("engine '{}'", printable(name)));
}

std::string encode_manifest(const Manifest& manifest) {
  JsonArray segments;
  for (const SegmentEntry& entry : manifest.segments) segments.add(segment_object(entry));
  JsonObject object;
  object.set("format", kManifestFormat)
      .set("format_version", kFormatVersion)
      .set("database", manifest.database)
      .set("file_name", manifest.file_name)
      .set("engine", engine_name(manifest.engine))
      .set("revision", manifest.revision);
  if (manifest.previous)
    object.set("previous", to_hex(*manifest.previous));
  else
    object.set_null("previous");
  return object.set("segments", std::move(segments)).pretty();
}

Result<Manifest> parse_manifest(ByteView json) {
  TRY(check_size(json, kManifestBytesMax));
  SegmentList segments;
  Result<void> listed;  // a newer version may list other things: look at the version first
  TRY_ASSIGN(const JsonFields fields,
             read_json_object(json, "segments", [&](const JsonFields& row) -> Result<void> {
               if (listed) listed = segments.add(row);
               return {};
             }));
  TRY(check_format(fields, kManifestFormat));
  TRY(std::move(listed));
  TRY(fields.expect_array("segments"));

  Manifest manifest;
  TRY_ASSIGN(manifest.database, object_name(fields, "database"));
  TRY_ASSIGN(manifest.file_name, plain_name(fields, "file_name"));
  TRY_ASSIGN(const std::string engine, fields.text("engine"));
  TRY_ASSIGN(manifest.engine, engine_from(engine));
  TRY_ASSIGN(manifest.revision, fields.number("revision"));
  if (manifest.revision == 0) return Error::corrupt("revision 0");
  TRY_ASSIGN(const auto previous, fields.text_or_null("previous"));
  if (previous) {
    TRY_ASSIGN(manifest.previous, digest(fields, "previous"));
  }
  manifest.segments = std::move(segments).take();
  return manifest;
}

std::string encode_cursor(const Cursor& cursor) {
  return JsonObject()
      .set("format", kCursorFormat)
      .set("format_version", kFormatVersion)
      .set("epoch", cursor.epoch.get())
      .set("source_path", cursor.source_path)
      .set("looked_ns", cursor.looked.get())
      .set("device", cursor.device)
      .set("inode", cursor.inode)
      .set("size_bytes", cursor.size_bytes)
      .set("mtime_ns", cursor.mtime_ns)
      .set("ctime_ns", cursor.ctime_ns)
      .set("change_counter", cursor.change_counter)
      .set("has_wal", cursor.has_wal)
      .set("wal_salt1", cursor.position.salt1)
      .set("wal_salt2", cursor.position.salt2)
      .set("wal_checkpoint_sequence", cursor.position.checkpoint_sequence)
      .set("wal_frame", cursor.position.frame)
      .set("wal_checksum1", cursor.checksum1)
      .set("wal_checksum2", cursor.checksum2)
      .pretty();
}

Result<Cursor> parse_cursor(ByteView json) {
  TRY_ASSIGN(const JsonFields fields, read_document(json, kCursorBytesMax, kCursorFormat));
  Cursor cursor;
  TRY_ASSIGN(const std::uint64_t epoch, fields.number("epoch"));
  cursor.epoch = Epoch(epoch);
  TRY_ASSIGN(cursor.source_path, fields.text("source_path"));
  TRY_ASSIGN(const std::int64_t looked, fields.signed_number("looked_ns"));
  cursor.looked = UtcTime(looked);
  TRY_ASSIGN(cursor.device, fields.number("device"));
  TRY_ASSIGN(cursor.inode, fields.number("inode"));
  TRY_ASSIGN(cursor.size_bytes, fields.number("size_bytes"));
  TRY_ASSIGN(cursor.mtime_ns, fields.signed_number("mtime_ns"));
  TRY_ASSIGN(cursor.ctime_ns, fields.signed_number("ctime_ns"));
  TRY_ASSIGN(cursor.change_counter, fields.number_as<std::uint32_t>("change_counter"));
  TRY_ASSIGN(cursor.has_wal, fields.flag("has_wal"));
  TRY_ASSIGN(cursor.position, source_position(fields));
  TRY_ASSIGN(cursor.checksum1, fields.number_as<std::uint32_t>("wal_checksum1"));
  TRY_ASSIGN(cursor.checksum2, fields.number_as<std::uint32_t>("wal_checksum2"));
  return cursor;
}

}  // namespace epochfs::engine::native
