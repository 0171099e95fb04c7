// Which epochs a set of snapshots and log copies proves, in which order, and what each is made of.
//
// Generations  a log that was restarted has new salts; copies with the same are prefixes of each
//              other, and the longest stands for all. The lineage, salt 1 less the number of
//              checkpoints, stays the same as long as the log's file does
// Bases        nothing in a log says which database it belongs to. So a snapshot is held against
//              every known image of every page: what it holds must be neither newer than the
//              generation nor older than its start. Where contents show that it is the base, that
//              is *shown*; where only the times speak for it, *assumed*. A generation without a
//              base can be put on the end of the one before, which is right only if nothing of
//              that is missing: *unproven*
// Epochs       every commit with a base, and every snapshot that no commit equals
// Cost         time: snapshots times frames of all generations. Memory: 16 bytes per frame
// Threads      pure
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/formats/native/segment_layout.h"
#include "engine/formats/zlayer/facts.h"

namespace epochfs::engine {

struct ZlayerSnapshot {
  std::string object;
  UtcTime taken;   // its name
  UtcTime stored;  // LastModified
  zlayer::SnapshotFacts facts;
};

struct ZlayerCopy {
  std::string object;
  UtcTime modified;
  zlayer::WalFacts facts;
};

// A generation up to one of its commits, laid over what is below.
struct ZlayerLayer {
  std::size_t copy = 0;     // its place among the copies
  std::uint32_t frame = 0;  // the last that counts
  std::uint32_t pages = 0;  // size of the database there
  friend bool operator==(const ZlayerLayer&, const ZlayerLayer&) = default;
};

struct ZlayerEpoch {
  native::EpochFacts facts;
  std::size_t base = 0;             // its place among the snapshots
  std::vector<ZlayerLayer> layers;  // from the bottom up; none: the snapshot itself
};

struct ZlayerHistory {
  std::vector<ZlayerEpoch> epochs;  // numbered from 1
  // Commits that nothing shows a base for; in `epochs`, too, where they were asked for and can be.
  std::uint64_t unproven = 0;
  std::vector<std::string> notes;  // objects that are no epoch, and why
};

// `with_unproven`: what can be put on the end of the generation before is offered.
ZlayerHistory derive_zlayer_history(std::span<const ZlayerSnapshot> snapshots,
                                    std::span<const ZlayerCopy> copies, bool with_unproven);

}  // namespace epochfs::engine
