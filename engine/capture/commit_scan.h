// Reads a run of frames once, proves it by the chain of checksums, and cuts it into transactions.
#pragma once

#include <vector>

#include "engine/capture/wal_log.h"

namespace epochfs::engine {

// Where a run begins, and what its frames must carry.
struct RunStart {
  std::uint32_t first_frame = 1;
  std::uint32_t pages_before = 0;  // size of the database before the first transaction
  sqlite::WalChecksum checksum;    // of the frame before, or of the log's header
  sqlite::WalSalts salts;
  sqlite::WordOrder order = sqlite::WordOrder::kLittle;
};

// Consecutive whole transactions that make one batch.
struct CommitCut {
  std::uint32_t first_frame = 0;
  std::uint32_t last_frame = 0;
  std::uint64_t weight = 0;  // frames, and pages that grew without one
};

// A page that a transaction added to the database without writing it.
struct Orphan {
  PageNo page;
  std::uint32_t commit_frame = 0;
};

struct ScannedRun {
  std::vector<CommitCut> cuts;
  std::vector<Orphan> orphans;    // in the order of commits, then pages
  bool too_many_orphans = false;  // not all are listed
  std::uint32_t last_frame = 0;   // of the last proven transaction; 0: none
  std::uint32_t pages_after = 0;  // size of the database then
  sqlite::WalChecksum checksum_after;
};

// Batches weigh at most `weight_max` unless they are a single transaction; no more orphans are
// listed than that. Goes on until `end_frame` (included) or the first frame that does not belong to
// the chain; what follows the last commit is left out. Damage is not an error here: the run is just
// shorter.
Result<ScannedRun> scan_commits(WalLog log, const RunStart& start, std::uint32_t end_frame,
                                std::size_t weight_max);

}  // namespace epochfs::engine
