// What stood in the pages that a transaction added without writing them.
//
// SQLite does not write a page that is free when the transaction commits. A reader then finds an
// older frame of that page, or whatever the database file holds there, or nothing. These bytes mean
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
