// The frames of a write-ahead log by number.
//
// Trust     none: who uses a frame has proven it by the wal-index or the chain of checksums
#pragma once

#include "engine/capture/byte_source.h"
#include "engine/formats/sqlite/wal.h"

namespace epochfs::engine {

class WalLog {
 public:
  WalLog(ByteSource& bytes, PageSize page_size) noexcept : bytes_(&bytes), page_size_(page_size) {}

  Result<sqlite::WalHeader> header() {
    std::array<std::byte, sqlite::kWalHeaderSize> raw;
    TRY(bytes_->read_at(0, raw));
    return sqlite::parse_wal_header(raw);
  }
  Result<sqlite::WalFrameHeader> frame_header(std::uint32_t frame) {
    std::array<std::byte, sqlite::kWalFrameHeaderSize> raw;
    TRY(bytes_->read_at(sqlite::wal_frame_offset(frame, page_size_), raw));
    return sqlite::parse_wal_frame_header(raw);
  }
  Result<void> page(std::uint32_t frame, MutableByteView out) {
    return bytes_->read_at(
        sqlite::wal_frame_offset(frame, page_size_) + sqlite::kWalFrameHeaderSize, out);
  }
  // `out` holds whole frames, headers included.
  Result<void> frames(std::uint32_t first, MutableByteView out) {
    return bytes_->read_at(sqlite::wal_frame_offset(first, page_size_), out);
  }
  // Frames that the file has room for, whatever is in them.
  Result<std::uint32_t> frames_in_file();

  [[nodiscard]] PageSize page_size() const noexcept { return page_size_; }
  [[nodiscard]] std::size_t frame_bytes() const noexcept {
    return sqlite::kWalFrameHeaderSize + page_size_.bytes();
  }

 private:
  ByteSource* bytes_;
  PageSize page_size_;
};

}  // namespace epochfs::engine
