// The header of a SQLite rollback journal: enough to tell whether it could undo anything.
//
// Source    sqlite.org/fileformat2.html, section 3; all numbers big-endian
// Trust     none
#pragma once

#include "engine/core/bytes.h"

namespace epochfs::engine::sqlite {

inline constexpr std::size_t kJournalHeaderSize = 28;

struct JournalHeader {
  std::uint32_t record_count = 0;   // 0xffffffff: to the end of the file
  std::uint32_t nonce = 0;          // of the records' checksums
  std::uint32_t initial_pages = 0;  // size of the database before the transaction
  std::uint32_t sector_size = 0;
  std::uint32_t page_size = 0;
};
// kCorrupt: too short or no magic; SQLite then ignores the journal (it zeroes the header when a
// transaction commits in PERSIST mode).
Result<JournalHeader> parse_journal_header(ByteView bytes);

}  // namespace epochfs::engine::sqlite
