// Transactions out of a log as a batch of changes.
#pragma once

#include <memory>
#include <span>

#include "engine/capture/commit_scan.h"
#include "engine/capture/orphan_pages.h"
#include "engine/capture/page_reader.h"
#include "engine/capture/snapshot.h"

namespace epochfs::engine {

// The log and the database must stay as they are while the batch lives.
struct CommitSource {
  WalLog log;
  FilePages* database = nullptr;
  native::SourcePosition generation;      // its frame is not looked at
  std::span<const OrphanSource> orphans;  // of the whole run
};

// Reads the headers of the cut's frames. A transaction that weighs more than `weight_max` is
// visited in several passes over ranges of pages.
Result<std::unique_ptr<ChangeBatch>> make_commit_batch(const CommitSource& source,
                                                       const CommitCut& cut,
                                                       std::size_t weight_max);

}  // namespace epochfs::engine
