#include "engine/formats/sqlite/wal.h"

#include <fmt/format.h>

namespace epochfs::engine::sqlite {
namespace {

namespace header_layout {
inline constexpr Field<std::uint32_t, 0> kMagic;  // its lowest bit: words are summed big-endian
inline constexpr Field<std::uint32_t, kMagic.end> kVersion;
inline constexpr Field<std::uint32_t, kVersion.end> kPageSize;
inline constexpr Field<std::uint32_t, kPageSize.end> kSequence;
inline constexpr Field<std::uint32_t, kSequence.end> kSalt1;
inline constexpr Field<std::uint32_t, kSalt1.end> kSalt2;
inline constexpr Field<std::uint32_t, kSalt2.end> kChecksum1;
inline constexpr Field<std::uint32_t, kChecksum1.end> kChecksum2;
static_assert(kChecksum2.end == kWalHeaderSize);
}  // namespace header_layout

namespace frame_layout {
inline constexpr Field<std::uint32_t, 0> kPage;
inline constexpr Field<std::uint32_t, kPage.end> kDatabasePages;
inline constexpr Field<std::uint32_t, kDatabasePages.end> kSalt1;
inline constexpr Field<std::uint32_t, kSalt1.end> kSalt2;
inline constexpr Field<std::uint32_t, kSalt2.end> kChecksum1;
inline constexpr Field<std::uint32_t, kChecksum1.end> kChecksum2;
static_assert(kChecksum2.end == kWalFrameHeaderSize);
}  // namespace frame_layout

constexpr std::uint32_t kMagicLittle = 0x377f0682;
constexpr std::uint32_t kMagicBig = 0x377f0683;
constexpr std::uint32_t kWalVersion = 3007000;

template <std::size_t Size, std::size_t Offset>
void put_be(std::array<std::byte, Size>& record, Field<std::uint32_t, Offset>,
            std::uint32_t value) noexcept {
  store_be(MutableByteView(record).subspan(Offset), value);
}

template <std::endian Order>
WalChecksum extend_in(WalChecksum checksum, ByteView bytes) noexcept {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    const ByteView pair = bytes.subspan(at, 8);
    checksum.first += detail::load<std::uint32_t, Order>(pair.data()) + checksum.second;
    checksum.second += detail::load<std::uint32_t, Order>(pair.subspan(4).data()) + checksum.first;
  }
  return checksum;
}

}  // namespace

WalChecksum extend(WalChecksum checksum, WordOrder order, ByteView bytes) noexcept {
  return order == WordOrder::kLittle ? extend_in<std::endian::little>(checksum, bytes)
                                     : extend_in<std::endian::big>(checksum, bytes);
}

Result<WalHeader> parse_wal_header(ByteView bytes) {
  namespace layout = header_layout;
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto raw, in.take<kWalHeaderSize>());
  const std::uint32_t magic = load_be(raw, layout::kMagic);
  if (magic != kMagicLittle && magic != kMagicBig) return Error::corrupt("write-ahead log magic");
  WalHeader header;
  header.order = magic == kMagicBig ? WordOrder::kBig : WordOrder::kLittle;
  header.checksum = {load_be(raw, layout::kChecksum1), load_be(raw, layout::kChecksum2)};
  if (extend({}, header.order, raw.first<layout::kSalt2.end>()) != header.checksum)
    return Error::corrupt("write-ahead log header checksum");
  const std::uint32_t version = load_be(raw, layout::kVersion);
  if (version != kWalVersion)
    return Error::unsupported(fmt::format("write-ahead log version {}", version));
  TRY_ASSIGN(header.page_size, PageSize::from(load_be(raw, layout::kPageSize)));
  header.sequence = load_be(raw, layout::kSequence);
  header.salts = {load_be(raw, layout::kSalt1), load_be(raw, layout::kSalt2)};
  return header;
}

std::array<std::byte, kWalHeaderSize> encode_wal_header(const WalHeader& header) noexcept {
  namespace layout = header_layout;
  std::array<std::byte, kWalHeaderSize> raw{};
  put_be(raw, layout::kMagic, header.order == WordOrder::kBig ? kMagicBig : kMagicLittle);
  put_be(raw, layout::kVersion, kWalVersion);
  put_be(raw, layout::kPageSize, header.page_size.bytes());
  put_be(raw, layout::kSequence, header.sequence);
  put_be(raw, layout::kSalt1, header.salts.first);
  put_be(raw, layout::kSalt2, header.salts.second);
  const WalChecksum checksum = extend({}, header.order, ByteView(raw).first(layout::kSalt2.end));
  put_be(raw, layout::kChecksum1, checksum.first);
  put_be(raw, layout::kChecksum2, checksum.second);
  return raw;
}

WalFrameHeader parse_wal_frame_header(
    std::span<const std::byte, kWalFrameHeaderSize> bytes) noexcept {
  namespace layout = frame_layout;
  return {PageNo(load_be(bytes, layout::kPage)),
          load_be(bytes, layout::kDatabasePages),
          {load_be(bytes, layout::kSalt1), load_be(bytes, layout::kSalt2)},
          {load_be(bytes, layout::kChecksum1), load_be(bytes, layout::kChecksum2)}};
}

WalChecksum chain_frame(WalChecksum before, WordOrder order,
                        std::span<const std::byte, kWalFrameHeaderSize> header,
                        ByteView page) noexcept {
  const auto summed = header.first<frame_layout::kDatabasePages.end>();
  return extend(extend(before, order, summed), order, page);
}

std::array<std::byte, kWalFrameHeaderSize> encode_wal_frame_header(const WalFrameHeader& header,
                                                                   WalChecksum before,
                                                                   WordOrder order,
                                                                   ByteView page) noexcept {
  namespace layout = frame_layout;
  std::array<std::byte, kWalFrameHeaderSize> raw{};
  put_be(raw, layout::kPage, header.page.get());
  put_be(raw, layout::kDatabasePages, header.database_pages);
  put_be(raw, layout::kSalt1, header.salts.first);
  put_be(raw, layout::kSalt2, header.salts.second);
  const WalChecksum checksum = chain_frame(before, order, raw, page);
  put_be(raw, layout::kChecksum1, checksum.first);
  put_be(raw, layout::kChecksum2, checksum.second);
  return raw;
}

}  // namespace epochfs::engine::sqlite
