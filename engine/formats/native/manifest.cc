#include "engine/formats/native/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "engine/formats/json/json_fields.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::engine::native {
namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kGrafeoVersion = 2;  // of a manifest with logs
constexpr std::string_view kRepositoryFormat = "epochfs-repository";
constexpr std::string_view kManifestFormat = "epochfs-manifest";
constexpr std::string_view kCursorFormat = "epochfs-cursor";
constexpr std::size_t kRepositoryIdSize = 32;

constexpr std::string_view kFullKind = "Full";
constexpr std::string_view kIncrementalKind = "Incremental";
constexpr std::string_view kLogKind = "Log";

Result<void> check_size(ByteView json, std::uint64_t bytes_max) {
  if (json.size() > bytes_max) return Error::corrupt(fmt::format("{} bytes long", json.size()));
  return {};
}

// The version of the document.
Result<std::uint64_t> check_format(const JsonFields& fields, std::string_view format,
                                   std::uint64_t version_max) {
  TRY_ASSIGN(const std::string found, fields.text("format"));
  if (found != format) return Error::corrupt(fmt::format("format is not {}", format));
  TRY_ASSIGN(const std::uint64_t version, fields.number("format_version"));
  if (version > version_max)
    return Error::unsupported(fmt::format("{} version {}", format, version));
  if (version == 0) return Error::corrupt(fmt::format("{} version 0", format));
  return version;
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
  if (kind == kLogKind) return SegmentKind::kLog;
  return Error::corrupt(fmt::format("segment kind '{}'", printable(kind)));
}

std::string_view kind_name(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kFull:
      return kFullKind;
    case SegmentKind::kIncremental:
      return kIncrementalKind;
    case SegmentKind::kLog:
      break;
  }
  return kLogKind;
}

JsonObject segment_object(const SegmentEntry& entry, Engine engine) {
  JsonObject object;
  object.set("kind", kind_name(entry.kind))
      .set("filename", entry.filename)
      .set("start_epoch", entry.start_epoch.get())
      .set("end_epoch", entry.end_epoch.get())
      .set("checksum", entry.checksum)
      .set("size_bytes", entry.size_bytes)
      .set("created_at_ms", entry.created_at_ms)
      .set("sha256", to_hex(entry.sha256))
      .set("tables_sha256", to_hex(entry.tables_sha256))
      .set("page_size", entry.page_size);
  if (entry.kind == SegmentKind::kIncremental)
    object.set("base", entry.base);
  else
    object.set_null("base");
  if (engine == Engine::kGrafeo)
    object.set("unpacked_bytes", entry.unpacked_bytes)
        .set("unpacked_checksum", entry.unpacked_checksum);
  return object;
}

// What entries have in common, whatever the engine.
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
    if (base) return Error::corrupt("a full or a log with a base");
  }
  return entry;
}

// Grafeo's epochs may repeat and run backwards: what that means is not for the entry to say.
Result<void> check_log_entry(const SegmentEntry& entry) {
  if (entry.kind == SegmentKind::kIncremental) return Error::corrupt("pages of a log");
  if (entry.kind == SegmentKind::kFull && entry.start_epoch != Epoch(0))
    return Error::corrupt("epochs of a full");
  return {};
}

Result<void> check_page_entry(const SegmentEntry& entry) {
  if (entry.kind == SegmentKind::kLog) return Error::corrupt("a log among pages");
  if (entry.kind == SegmentKind::kFull) {
    if (entry.start_epoch != Epoch(0) || entry.end_epoch == Epoch(0))
      return Error::corrupt("epochs of a full");
    return {};
  }
  if (entry.start_epoch == Epoch(0) || entry.end_epoch < entry.start_epoch)
    return Error::corrupt("epochs run backwards");
  return {};
}

Result<SegmentEntry> grafeo_entry(const JsonFields& fields) {
  TRY_ASSIGN(SegmentEntry entry, segment_entry(fields));
  TRY_ASSIGN(entry.unpacked_bytes, fields.number("unpacked_bytes"));
  TRY_ASSIGN(entry.unpacked_checksum, fields.number_as<std::uint32_t>("unpacked_checksum"));
  TRY(check_log_entry(entry));
  return entry;
}

Result<SegmentEntry> page_entry(const JsonFields& fields) {
  TRY_ASSIGN(SegmentEntry entry, segment_entry(fields));
  TRY(check_page_entry(entry));
  return entry;
}

// One of no kind counts as an incremental, on which others may be built.
SegmentEntry unfit_entry(const JsonFields& fields, std::size_t number, const Error& error) {
  SegmentEntry entry;
  entry.kind = segment_kind(fields).value_or(SegmentKind::kIncremental);
  entry.filename = object_name(fields, "filename").value_or("");
  entry.start_epoch = Epoch(fields.number("start_epoch").value_or(0));
  entry.end_epoch = Epoch(fields.number("end_epoch").value_or(0));
  const std::string name =
      entry.filename.empty() ? "" : fmt::format(" ({})", printable(entry.filename));
  entry.problem = fmt::format("segment {}{}: {}", number, name, error.text);
  return entry;
}

// Whether entries, each sound by itself, are the history of a database of pages.
class PageHistoryCheck {
 public:
  Result<void> add(const SegmentEntry& entry) {
    const bool is_full = entry.kind == SegmentKind::kFull;
    // A full may hold the newest epoch anew.
    if (is_full ? entry.end_epoch < newest_ : entry.start_epoch <= newest_)
      return Error::corrupt("epochs run backwards");
    newest_ = entry.end_epoch;
    if (is_full) {
      page_sizes_.emplace(entry.filename, entry.page_size);
      return {};
    }
    const auto base = page_sizes_.find(entry.base);
    if (base != page_sizes_.end() && base->second == entry.page_size) return {};
    return Error::corrupt(
        fmt::format("base {} is no full before it with the same page size", printable(entry.base)));
  }

 private:
  Epoch newest_;
  std::map<std::string, std::uint32_t> page_sizes_;  // of the fulls
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
  TRY(check_format(fields, format, kFormatVersion));
  return fields;
}

struct ManifestDocument {
  JsonFields fields;
  std::vector<SegmentEntry> segments;
  std::size_t unfit_count = 0;  // of the segments; the first kUnfitEntriesMax are there
};

// Takes the rows of a manifest.
class EntryIntake {
 public:
  EntryIntake(ManifestDocument& document, bool is_grafeo)
      : document_(document), is_grafeo_(is_grafeo) {}

  void add(const Result<JsonFields>& row) {
    ++number_;
    if (document_.unfit_count > kUnfitEntriesMax) return;  // it is refused anyway
    auto entry = row.and_then(is_grafeo_ ? grafeo_entry : page_entry);
    if (entry)
      document_.segments.push_back(*std::move(entry));
    else if (++document_.unfit_count <= kUnfitEntriesMax)
      document_.segments.push_back(unfit_entry(row.value_or(JsonFields()), number_, entry.error()));
  }

 private:
  ManifestDocument& document_;
  bool is_grafeo_;
  std::size_t number_ = 0;
};

Result<ManifestDocument> read_manifest(ByteView json, bool is_grafeo) {
  ManifestDocument document;
  EntryIntake intake(document, is_grafeo);
  TRY_ASSIGN(document.fields,
             read_json_object(json, "segments", [&](const Result<JsonFields>& row) -> Result<void> {
               intake.add(row);
               return {};
             }));
  return document;
}

// Each engine belongs to one version of the document.
Result<Engine> manifest_engine(const JsonFields& fields, std::uint64_t version) {
  TRY_ASSIGN(const std::string name, fields.text("engine"));
  TRY_ASSIGN(const Engine engine, engine_from(name));
  const bool is_grafeo = engine == Engine::kGrafeo;
  if (version == kFormatVersion && is_grafeo)
    return Error::unsupported(fmt::format("engine '{}' in version {}", name, version));
  if (version == kGrafeoVersion && !is_grafeo)
    return Error::corrupt(fmt::format("engine '{}' in version {}", name, version));
  return engine;
}

Result<grafeo::Generation> grafeo_generation(const JsonFields& fields) {
  TRY_ASSIGN(const std::uint64_t generation, fields.number("generation"));
  if (generation == 1) return grafeo::Generation::kV1;
  if (generation == 2) return grafeo::Generation::kV2;
  return Error::unsupported(fmt::format("generation {} of Grafeo", generation));
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
  for (const Engine engine : {Engine::kSqlite, Engine::kFile, Engine::kGrafeo}) {
    if (name == engine_name(engine)) return engine;
  }
  return Error::unsupported(fmt::format("engine '{}'", printable(name)));
}

std::string encode_manifest(const Manifest& manifest) {
  JsonArray segments;
  for (const SegmentEntry& entry : manifest.segments)
    segments.add(segment_object(entry, manifest.engine));
  const bool is_grafeo = manifest.engine == Engine::kGrafeo;
  JsonObject object;
  object.set("format", kManifestFormat)
      .set("format_version", is_grafeo ? kGrafeoVersion : kFormatVersion)
      .set("database", manifest.database)
      .set("file_name", manifest.file_name)
      .set("engine", engine_name(manifest.engine))
      .set("revision", manifest.revision);
  if (manifest.previous)
    object.set("previous", to_hex(*manifest.previous));
  else
    object.set_null("previous");
  if (is_grafeo) object.set("generation", static_cast<unsigned>(manifest.generation));
  return object.set("segments", std::move(segments)).pretty();
}

Result<Manifest> parse_manifest(ByteView json) {
  TRY(check_size(json, kManifestBytesMax));
  TRY_ASSIGN(ManifestDocument document, read_manifest(json, false));
  // A newer version may list other things: look at the version before the segments.
  TRY_ASSIGN(const std::uint64_t version,
             check_format(document.fields, kManifestFormat, kGrafeoVersion));
  const bool is_grafeo = version == kGrafeoVersion;
  if (is_grafeo) {
    TRY_ASSIGN(document, read_manifest(json, true));
  }
  const JsonFields& fields = document.fields;
  TRY(fields.expect_array("segments"));
  if (document.unfit_count > kUnfitEntriesMax)
    return Error::corrupt(fmt::format("more than {} segments make no sense", kUnfitEntriesMax));

  Manifest manifest;
  TRY_ASSIGN(manifest.database, object_name(fields, "database"));
  TRY_ASSIGN(manifest.file_name, plain_name(fields, "file_name"));
  TRY_ASSIGN(manifest.engine, manifest_engine(fields, version));
  if (is_grafeo) {
    TRY_ASSIGN(manifest.generation, grafeo_generation(fields));
  }
  TRY_ASSIGN(manifest.revision, fields.number("revision"));
  if (manifest.revision == 0) return Error::corrupt("revision 0");
  TRY_ASSIGN(const auto previous, fields.text_or_null("previous"));
  if (previous) {
    TRY_ASSIGN(manifest.previous, digest(fields, "previous"));
  }
  manifest.segments = std::move(document.segments);
  return manifest;
}

Result<void> check_entries(const Manifest& manifest) {
  std::set<std::string_view> names;
  PageHistoryCheck pages;
  for (std::size_t i = 0; i < manifest.segments.size(); ++i) {
    const SegmentEntry& entry = manifest.segments[i];
    if (!entry.problem.empty()) return Error::corrupt(entry.problem);
    const auto where = [i] { return fmt::format("segment {}", i + 1); };
    if (!names.insert(entry.filename).second)
      return Error::corrupt(fmt::format("{}: {} occurs twice", where(), printable(entry.filename)));
    if (manifest.engine != Engine::kGrafeo) TRY(with_context(pages.add(entry), where));
  }
  return {};
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
