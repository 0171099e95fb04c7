// The wal-index of a live database, read through the mapping that SQLite made.
//
// Threads   the connection's
// Lifetime  the connection's
#pragma once

#include <sqlite3.h>

#include <vector>

#include "engine/formats/sqlite/wal_index.h"

namespace epochfs::engine {

struct WalIndexState {
  sqlite::WalIndexHeader header;
  std::uint32_t backfilled = 0;  // frames up to this one are in the database file
  std::uint32_t attempted = 0;   // and up to this one some may be

  // The database file alone holds the state.
  [[nodiscard]] bool database_is_complete() const noexcept {
    return backfilled == header.last_frame;
  }
};

class LiveWalIndex {
 public:
  explicit LiveWalIndex(sqlite3_file* database) noexcept : database_(database) {}

  // kBusy: still half-written after many tries, as a writer leaves it that died; a new read
  // transaction repairs it. kUnsupported: the index may not be mapped here.
  Result<WalIndexState> read();
  // The page in `frame`; only for frames whose log cannot be restarted (see README.md).
  Result<PageNo> page_in(std::uint32_t frame);

 private:
  Result<WalIndexState> read_once();
  Result<const volatile std::uint32_t*> region(std::uint32_t number);

  sqlite3_file* database_;
  std::vector<const volatile std::uint32_t*> regions_;
};

}  // namespace epochfs::engine
