// A SQLite write-ahead log: its header, the header of a frame, and the checksum that chains them.
//
// Source    sqlite.org/fileformat2.html, section 4; all numbers big-endian
// Trust     none; a frame is proven by its place in the chain of checksums, not by parsing it
#pragma once

#include "engine/core/bytes.h"
#include "engine/core/units.h"

namespace epochfs::engine::sqlite {

inline constexpr std::size_t kWalHeaderSize = 32;
inline constexpr std::size_t kWalFrameHeaderSize = 24;

struct WalSalts {
  std::uint32_t first = 0;   // grows by one when the log is restarted
  std::uint32_t second = 0;  // random
  friend bool operator==(const WalSalts&, const WalSalts&) = default;
};

// State of the running checksum.
struct WalChecksum {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  friend bool operator==(const WalChecksum&, const WalChecksum&) = default;
};

enum class WordOrder { kLittle, kBig };

// `bytes` is a multiple of 8 long.
WalChecksum extend(WalChecksum checksum, WordOrder order, ByteView bytes) noexcept;

struct WalHeader {
  WordOrder order = WordOrder::kLittle;  // of the words that are summed, whatever the machine
  PageSize page_size;
  std::uint32_t sequence = 0;  // counts restarts, as far as the connection that did it knew
  WalSalts salts;
  WalChecksum checksum;  // where the chain of frames begins
};
// kWalHeaderSize bytes. kCorrupt: magic, page size or checksum; an empty log is that too.
// kUnsupported: another version.
Result<WalHeader> parse_wal_header(ByteView bytes);
// With the checksum that goes with the rest; that of `header` is not looked at.
std::array<std::byte, kWalHeaderSize> encode_wal_header(const WalHeader& header) noexcept;

struct WalFrameHeader {
  PageNo page;
  std::uint32_t database_pages = 0;  // size after the commit; 0: not the last of a transaction
  WalSalts salts;
  WalChecksum checksum;  // of everything from the log's header to this frame's page
  friend bool operator==(const WalFrameHeader&, const WalFrameHeader&) = default;
};
WalFrameHeader parse_wal_frame_header(
    std::span<const std::byte, kWalFrameHeaderSize> bytes) noexcept;

// The checksum that a frame must carry when the one before it carries `before`.
WalChecksum chain_frame(WalChecksum before, WordOrder order,
                        std::span<const std::byte, kWalFrameHeaderSize> header,
                        ByteView page) noexcept;

// For a frame of that page, with the checksum that follows `before`; that of `header` is not looked
// at.
std::array<std::byte, kWalFrameHeaderSize> encode_wal_frame_header(const WalFrameHeader& header,
                                                                   WalChecksum before,
                                                                   WordOrder order,
                                                                   ByteView page) noexcept;

// Frames are numbered from 1.
constexpr std::uint64_t wal_frame_offset(std::uint32_t frame, PageSize page_size) noexcept {
  return kWalHeaderSize + (static_cast<std::uint64_t>(frame) - 1) *
                              (kWalFrameHeaderSize + static_cast<std::uint64_t>(page_size.bytes()));
}

}  // namespace epochfs::engine::sqlite
