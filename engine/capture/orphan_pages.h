// What stood in the pages that a transaction added without writing them.
//
// The page of the locks is always one. SQLite 3.40.1 writes all others that a transaction adds,
// also those that are free when it ends, but the format does not ask for that. A reader finds an
// older frame of such a page, or what the database file holds there, or nothing. These bytes mean
// nothing to SQLite, but they are in every copy of the database, so an epoch has them right or is
// not offered as a transaction.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/capture/commit_scan.h"
#include "engine/capture/live_wal_index.h"
#include "engine/capture/page_reader.h"

namespace epochfs::engine {

inline constexpr std::uint32_t kFromDatabase = 0;  // OrphanSource::frame
inline constexpr std::uint32_t kZeros = 0xffffffff;

struct OrphanSource {
  PageNo page;
  std::uint32_t commit_frame = 0;
  std::uint32_t frame = kFromDatabase;  // holds the page; or one of the two constants above
};

// In the order of `orphans`. nullopt: a checkpoint came between, and what readers saw is gone.
// `log` holds every frame up to state.header.last_frame; one pass over their headers.
Result<std::optional<std::vector<OrphanSource>>> find_orphans(std::span<const Orphan> orphans,
                                                              WalLog log,
                                                              const WalIndexState& state,
                                                              FilePages& database);

}  // namespace epochfs::engine
