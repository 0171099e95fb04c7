// The wal-index ("-shm"): what the connections of a database share about its write-ahead log.
//
// Source    sqlite.org/walformat.html, section 2; numbers in the byte order of the machine, but the
//           salts, which are kept as the log has them
// Trust     written by other processes while it is read: a header counts only if its two copies
//           agree and its checksum fits
#pragma once

#include "engine/core/bytes.h"
#include "engine/core/units.h"
#include "engine/formats/sqlite/wal.h"

namespace epochfs::engine::sqlite {

inline constexpr std::size_t kWalIndexRegionSize = 32768;
inline constexpr std::size_t kWalIndexCopySize = 48;    // the header once
inline constexpr std::size_t kWalIndexBackfillAt = 96;  // u32: frames that are in the database
inline constexpr std::size_t kWalIndexAttemptAt =
    128;  // u32: frames that may be on their way there
inline constexpr std::size_t kWalIndexHeaderSize = 136;  // both copies and the checkpoint's data

struct WalIndexHeader {
  std::uint32_t change = 0;  // grows with every transaction
  PageSize page_size;
  std::uint32_t last_frame = 0;      // the newest committed; the authority on what is committed
  std::uint32_t database_pages = 0;  // after it
  WalChecksum checksum;              // of it
  WalSalts salts;
  friend bool operator==(const WalIndexHeader&, const WalIndexHeader&) = default;
};
// Two copies of kWalIndexCopySize bytes, read in this order. kCorrupt: being written just now, or
// left half-written. kUnsupported: another version.
Result<WalIndexHeader> parse_wal_index_header(ByteView first, ByteView second);

// Where the page number of `frame` stands: page numbers are u32, at the start of each region.
struct WalIndexPlace {
  std::uint32_t region = 0;
  std::size_t offset = 0;  // in bytes
  friend bool operator==(const WalIndexPlace&, const WalIndexPlace&) = default;
};
WalIndexPlace wal_index_place(std::uint32_t frame) noexcept;  // frame >= 1

}  // namespace epochfs::engine::sqlite
