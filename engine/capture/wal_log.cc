#include "engine/capture/wal_log.h"

#include <algorithm>
#include <limits>

namespace epochfs::engine {

Result<std::uint32_t> WalLog::frames_in_file() {
  TRY_ASSIGN(const std::uint64_t size, bytes_->size());
  if (size < sqlite::kWalHeaderSize) return 0U;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>((size - sqlite::kWalHeaderSize) / frame_bytes(),
                              std::numeric_limits<std::uint32_t>::max() - 1));
}

}  // namespace epochfs::engine
