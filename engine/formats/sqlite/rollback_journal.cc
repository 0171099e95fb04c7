#include "engine/formats/sqlite/rollback_journal.h"

namespace epochfs::engine::sqlite {
namespace {

namespace journal_layout {
inline constexpr Field<std::uint64_t, 0> kMagic;
inline constexpr Field<std::uint32_t, kMagic.end> kRecordCount;
inline constexpr Field<std::uint32_t, kRecordCount.end> kNonce;
inline constexpr Field<std::uint32_t, kNonce.end> kInitialPages;
inline constexpr Field<std::uint32_t, kInitialPages.end> kSectorSize;
inline constexpr Field<std::uint32_t, kSectorSize.end> kPageSize;
static_assert(kPageSize.end == kJournalHeaderSize);
}  // namespace journal_layout

constexpr std::uint64_t kJournalMagic = 0xd9d505f920a163d7;

}  // namespace

Result<JournalHeader> parse_journal_header(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto raw, in.take<kJournalHeaderSize>());
  if (load_be(raw, journal_layout::kMagic) != kJournalMagic)
    return Error::corrupt("rollback journal magic");
  return JournalHeader{
      load_be(raw, journal_layout::kRecordCount), load_be(raw, journal_layout::kNonce),
      load_be(raw, journal_layout::kInitialPages), load_be(raw, journal_layout::kSectorSize),
      load_be(raw, journal_layout::kPageSize)};
}

}  // namespace epochfs::engine::sqlite
