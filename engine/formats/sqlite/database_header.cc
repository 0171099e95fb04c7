#include "engine/formats/sqlite/database_header.h"

#include <algorithm>

namespace epochfs::engine::sqlite {
namespace {

namespace database_layout {
inline constexpr Field<std::uint16_t, kDatabaseMagicSize> kPageSize;
inline constexpr Field<std::uint8_t, 19> kReadVersion;
inline constexpr Field<std::uint32_t, 24> kChangeCounter;
inline constexpr Field<std::uint32_t, kChangeCounter.end> kPageCount;
inline constexpr Field<std::uint32_t, 92> kVersionValidFor;
}  // namespace database_layout

constexpr std::string_view kDatabaseMagic("SQLite format 3\0", kDatabaseMagicSize);
constexpr std::uint8_t kReadVersionWal = 2;

}  // namespace

bool has_database_magic(ByteView file_start) noexcept {
  const ByteView magic = as_bytes(kDatabaseMagic);
  return file_start.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), file_start.begin());
}

Result<DatabaseHeader> parse_database_header(ByteView file_start) {
  ByteCursor in(file_start);
  TRY_ASSIGN(const auto raw, in.take<kDatabaseHeaderSize>());
  if (!has_database_magic(raw)) return Error::unsupported("no SQLite database header");
  const std::uint32_t page_size = load_be(raw, database_layout::kPageSize);
  DatabaseHeader header;
  // 65536 does not fit into the field's 16 bits; 1 stands for it.
  TRY_ASSIGN(header.page_size, PageSize::from(page_size == 1 ? PageSize::kMax : page_size));
  header.wal_mode = load_be(raw, database_layout::kReadVersion) == kReadVersionWal;
  header.change_counter = load_be(raw, database_layout::kChangeCounter);
  const std::uint32_t page_count = load_be(raw, database_layout::kPageCount);
  if (page_count != 0 && load_be(raw, database_layout::kVersionValidFor) == header.change_counter)
    header.page_count = page_count;
  return header;
}

}  // namespace epochfs::engine::sqlite
