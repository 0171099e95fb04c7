// The two JSON documents of a native repository and the cursor beside them.
//
// Source    engine/formats/native/repository.md
// Trust     none: sizes, counts and names are checked; unknown fields are ignored, a newer version
//           is kUnsupported
// Text      JSON holds UTF-8 only. Bytes of a name that are not are written as U+FFFD, so whoever
//           picks the name of an object must pick UTF-8; a `source_path` that is not never equals
//           the path it came from
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/units.h"
#include "engine/formats/grafeo/units.h"
#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine::native {

inline constexpr std::string_view kRepositoryFile = "epochfs.json";
inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kCursorFile = "cursor.json";
inline constexpr std::uint64_t kRepositoryBytesMax = 64 * 1024;
inline constexpr std::uint64_t kManifestBytesMax = 256ULL * 1024 * 1024;
inline constexpr std::uint64_t kCursorBytesMax = 64 * 1024;
// Two bytes of a manifest make an entry of hundreds in memory.
inline constexpr std::size_t kUnfitEntriesMax = 16 * 1024;

// epochfs.json at the root: what makes a directory a repository.
struct RepositoryInfo {
  std::string id;  // 32 lower-case hex digits, random
  UtcTime created;
};
std::string encode_repository(const RepositoryInfo& info);
Result<RepositoryInfo> parse_repository(ByteView json);

enum class Engine { kSqlite, kFile, kGrafeo };
std::string_view engine_name(Engine engine) noexcept;
// kUnsupported: another name.
Result<Engine> engine_from(std::string_view name);

struct SegmentEntry {
  SegmentKind kind = SegmentKind::kFull;
  std::string filename;  // one plain component
  Epoch start_epoch;     // fulls: 0; incrementals: the first epoch in it
  Epoch end_epoch;
  std::uint32_t checksum = 0;  // CRC-32 of the object
  std::uint64_t size_bytes = 0;
  std::uint64_t created_at_ms = 0;
  Sha256Digest sha256{};
  Sha256Digest
      tables_sha256{};  // of tables and footer: what a reader checks when it opens the segment
  std::uint32_t page_size = 0;
  std::string base;  // incrementals: filename of the full whose pages are the prefixes
  // Of Grafeo's: the file in it, with the CRC-32 that Grafeo's own manifest has for it.
  std::uint64_t unpacked_bytes = 0;
  std::uint32_t unpacked_checksum = 0;
  // Why the entry makes no sense; empty: it does. Then name, kind and epochs are what could be read
  // of them, and only good for telling what it costs.
  std::string problem = {};
  friend bool operator==(const SegmentEntry&, const SegmentEntry&) = default;
};

struct Manifest {
  std::string database;   // equals the directory's name
  std::string file_name;  // the database file's own name inside the epochs
  Engine engine = Engine::kSqlite;
  std::uint64_t revision = 0;            // 1, 2, 3, ...: grows by one with every write
  std::optional<Sha256Digest> previous;  // SHA-256 of the manifest before, as stored
  std::vector<SegmentEntry> segments;    // in the order of the backups
  // Of a database of Grafeo's: that of the manifest which Grafeo would have of it.
  grafeo::Generation generation = grafeo::Generation::kV1;
};
// Version 2 for a database of Grafeo's, whose segments are fulls and logs; else version 1.
std::string encode_manifest(const Manifest& manifest);
// An entry that makes no sense by itself keeps its place and says so. What entries make together is
// for their reader to find out, who need not believe them. kCorrupt: more than kUnfitEntriesMax.
Result<Manifest> parse_manifest(ByteView json);
// What whoever adds to a manifest must ask for. kCorrupt: an entry that makes no sense, a filename
// twice; but for Grafeo's, whose epochs are what they are, epochs that run backwards, an
// incremental whose base is no earlier full.
Result<void> check_entries(const Manifest& manifest);

// Where the last backup stopped reading its source. Never part of the commit: without it, or when
// it does not fit the newest epoch, the next backup compares pages.
struct Cursor {
  Epoch epoch;              // the newest epoch when it was written
  std::string source_path;  // absolute, without links
  UtcTime looked;           // the source was covered until then
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  // SQLite only.
  std::uint32_t change_counter = 0;
  bool has_wal = false;  // the fields below are the state of the write-ahead log
  SourcePosition position;
  std::uint32_t checksum1 = 0;  // running checksum stored in frame `position.frame`
  std::uint32_t checksum2 = 0;
  friend bool operator==(const Cursor&, const Cursor&) = default;
};
std::string encode_cursor(const Cursor& cursor);
Result<Cursor> parse_cursor(ByteView json);

}  // namespace epochfs::engine::native
