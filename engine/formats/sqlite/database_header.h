// The first 100 bytes of a SQLite database.
//
// Source    sqlite.org/fileformat2.html, section 1.3; all numbers big-endian
// Trust     none
#pragma once

#include <optional>

#include "engine/core/bytes.h"
#include "engine/core/units.h"

namespace epochfs::engine::sqlite {

inline constexpr std::size_t kDatabaseHeaderSize = 100;
inline constexpr std::size_t kDatabaseMagicSize = 16;

struct DatabaseHeader {
  PageSize page_size;
  bool wal_mode = false;  // readers must look for a write-ahead log
  std::uint32_t change_counter = 0;
  // Size in pages as the header has it; nullopt: last written by a program that did not keep it.
  std::optional<std::uint32_t> page_count;
};

// At least kDatabaseMagicSize bytes, the first of them "SQLite format 3".
bool has_database_magic(ByteView file_start) noexcept;
// kUnsupported: no magic (another kind of file, or encrypted). kCorrupt: too short, page size.
Result<DatabaseHeader> parse_database_header(ByteView file_start);

// The page that holds byte 1 GiB. Locks live there; SQLite never writes it.
constexpr PageNo lock_byte_page(PageSize page_size) noexcept {
  return PageNo(0x40000000U / page_size.bytes() + 1);
}

}  // namespace epochfs::engine::sqlite
