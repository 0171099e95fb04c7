#include "engine/formats/sqlite/wal_index.h"

#include <fmt/format.h>

#include <algorithm>

namespace epochfs::engine::sqlite {
namespace {

namespace layout {
inline constexpr Field<std::uint32_t, 0> kVersion;
inline constexpr Field<std::uint32_t, 8> kChange;
inline constexpr Field<std::uint8_t, kChange.end> kInitialized;
inline constexpr Field<std::uint8_t, kInitialized.end> kBigEndianWords;
inline constexpr Field<std::uint16_t, kBigEndianWords.end> kPageSize;
inline constexpr Field<std::uint32_t, kPageSize.end> kLastFrame;
inline constexpr Field<std::uint32_t, kLastFrame.end> kDatabasePages;
inline constexpr Field<std::uint32_t, kDatabasePages.end> kFrameChecksum1;
inline constexpr Field<std::uint32_t, kFrameChecksum1.end> kFrameChecksum2;
inline constexpr Field<std::uint32_t, kFrameChecksum2.end> kSalt1;
inline constexpr Field<std::uint32_t, kSalt1.end> kSalt2;
inline constexpr Field<std::uint32_t, kSalt2.end> kChecksum1;
inline constexpr Field<std::uint32_t, kChecksum1.end> kChecksum2;
static_assert(kChecksum2.end == kWalIndexCopySize);
}  // namespace layout

constexpr std::uint32_t kWalIndexVersion = 3007000;
constexpr std::size_t kEntrySize = sizeof(std::uint32_t);
// Half of a region holds page numbers, the other half is a hash table over them.
constexpr std::uint32_t kFramesPerRegion = 4096;
constexpr std::uint32_t kFramesInFirstRegion = kFramesPerRegion - kWalIndexHeaderSize / kEntrySize;

template <class T, std::size_t Offset>
T load_native(std::span<const std::byte, kWalIndexCopySize> raw, Field<T, Offset> field) noexcept {
  if constexpr (std::endian::native == std::endian::little) return load(raw, field);
  return load_be(raw, field);
}

}  // namespace

Result<WalIndexHeader> parse_wal_index_header(ByteView first, ByteView second) {
  ByteCursor in(first);
  TRY_ASSIGN(const auto raw, in.take<kWalIndexCopySize>());
  if (!std::equal(raw.begin(), raw.end(), second.begin(), second.end()))
    return Error::corrupt("the two copies of the wal-index header differ");
  if (load(raw, layout::kInitialized) == 0) return Error::corrupt("wal-index not initialized");
  const WordOrder native =
      std::endian::native == std::endian::little ? WordOrder::kLittle : WordOrder::kBig;
  const WalChecksum stored = {load_native(raw, layout::kChecksum1),
                              load_native(raw, layout::kChecksum2)};
  if (extend({}, native, raw.first<layout::kSalt2.end>()) != stored)
    return Error::corrupt("wal-index header checksum");
  const std::uint32_t version = load_native(raw, layout::kVersion);
  if (version != kWalIndexVersion)
    return Error::unsupported(fmt::format("wal-index version {}", version));
  WalIndexHeader header;
  // 65536 does not fit into 16 bits: its bit 16 is kept as bit 0. No page size is known before the
  // log has a first frame.
  const std::uint32_t page_size = load_native(raw, layout::kPageSize);
  header.last_frame = load_native(raw, layout::kLastFrame);
  if (header.last_frame != 0) {
    TRY_ASSIGN(header.page_size, PageSize::from(page_size == 1 ? PageSize::kMax : page_size));
  }
  header.change = load_native(raw, layout::kChange);
  header.database_pages = load_native(raw, layout::kDatabasePages);
  header.checksum = {load_native(raw, layout::kFrameChecksum1),
                     load_native(raw, layout::kFrameChecksum2)};
  header.salts = {load_be(raw, layout::kSalt1), load_be(raw, layout::kSalt2)};
  return header;
}

WalIndexPlace wal_index_place(std::uint32_t frame) noexcept {
  const std::uint32_t entry = frame - 1;
  if (entry < kFramesInFirstRegion) return {0, kWalIndexHeaderSize + entry * kEntrySize};
  const std::uint32_t later = entry - kFramesInFirstRegion;
  return {1 + later / kFramesPerRegion, later % kFramesPerRegion * kEntrySize};
}

}  // namespace epochfs::engine::sqlite
