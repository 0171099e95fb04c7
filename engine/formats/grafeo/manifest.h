// backup_manifest.json: the segments of a backup directory, in the order in which they were made.
//
// Source    README.md, section 2
// Trust     none: lengths and counts are checked; version 1 has no checksum, so its numbers may be
//           anything. Whether epochs, sizes and checksums are true is for the reader to find out
// Cost      memory of some 20 times the document at the most
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::string_view kManifestFile = "backup_manifest.json";  // of both generations
inline constexpr std::uint64_t kManifestBytesMax = 16ULL * 1024 * 1024;    // v2: 70,000 segments
inline constexpr std::size_t kSegmentsMax = 100'000;

enum class SegmentKind : std::uint32_t { kFull = 0, kIncremental = 1 };

struct SegmentEntry {
  SegmentKind kind = SegmentKind::kFull;
  std::string filename;     // as written, by anybody: open what object_name() gives, never this
  Epoch start_epoch;        // 0 for a full, else one more than the end of the backup before
  Epoch end_epoch;          // included; of a v2 incremental without new epochs, below start_epoch
  std::uint32_t crc32 = 0;  // of the whole file
  std::uint64_t size_bytes = 0;
  UnixMillis created;
  // Why the entry makes no sense; empty: it does. Then name, kind and epochs are what could be read
  // of them, and only good for telling what it costs.
  std::string problem = {};
  friend bool operator==(const SegmentEntry&, const SegmentEntry&) = default;
};

// The segment's file in the directory of the manifest. kCorrupt: the name is no plain file name. An
// entry like that costs itself only; the others of its manifest are as good as before.
Result<std::string> object_name(const SegmentEntry& entry);

struct Manifest {
  Generation generation = Generation::kV2;  // of this document; of a segment, its own bytes tell
  std::vector<SegmentEntry> segments;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// Either generation. An entry that makes no sense keeps its place and says so. kUnsupported:
// written by a newer release. kCorrupt: neither JSON nor bincode of that shape, bytes left over,
// too long, too many segments.
Result<Manifest> parse_manifest(ByteView document);
// What whoever adds to a manifest must ask for. kCorrupt: the first entry that makes no sense.
Result<void> check_entries(const Manifest& manifest);
// In the manifest's own generation. kInvalid: a file name that is no plain file name. kNoSpace: it
// would be too long to be read again.
Result<Bytes> encode_manifest(const Manifest& manifest);

}  // namespace epochfs::engine::grafeo
