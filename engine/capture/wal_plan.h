// From a verdict to batches: which frames are the transactions since the last backup, proven.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/capture/commit_batch.h"
#include "engine/capture/continuity.h"

namespace epochfs::engine {

// The database as the snapshot holds it. Nothing in it changes under the plan.
struct WalScene {
  WalLog log;  // all frames up to the newest; the whole file when the log was restarted
  FilePages* database = nullptr;
  PageReader* newest = nullptr;  // the newest state
  LiveWalIndex* index = nullptr;
  WalIndexState state;
  std::uint32_t page_count = 0;  // of the newest state
};

// One unbroken run of transactions.
struct CommitRun {
  native::SourcePosition generation;
  std::vector<CommitCut> cuts;
  std::vector<OrphanSource> orphans;
};

struct CommitPlan {
  std::vector<CommitRun> runs;
  std::string refusal;  // not empty: the proof failed, compare pages instead
};

// `continuity` is neither kUnchanged nor kUnknown.
Result<CommitPlan> plan_commits(Continuity continuity, const KnownState& known, WalScene& scene,
                                std::size_t weight_max);

}  // namespace epochfs::engine
