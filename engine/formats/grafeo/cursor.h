// backup_cursor.meta in the log directory of a live database: how far it is backed up.
//
// Source    README.md, section 3
// Trust     none; version 1 has no checksum, so its numbers may be anything
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::string_view kCursorFile = "backup_cursor.meta";
inline constexpr std::uint64_t kCursorBytesMax = 64 * 1024;

struct BackupCursor {
  Generation generation = Generation::kV2;  // of this document
  Epoch backed_up_epoch;
  std::uint64_t log_sequence = 0;  // v1: the file of the log up to which it is backed up; v2: 0
  Lsn wal_lsn;                     // v2: the place in the log up to which it is; v1: 0
  UnixMillis written;              // v1: after January 1970
  friend bool operator==(const BackupCursor&, const BackupCursor&) = default;
};

// Either generation. kCorrupt: neither JSON nor bincode of that shape, bytes left over, too long.
Result<BackupCursor> parse_cursor(ByteView document);
// In the cursor's own generation, which has no place for the other's position.
Bytes encode_cursor(const BackupCursor& cursor);

}  // namespace epochfs::engine::grafeo
