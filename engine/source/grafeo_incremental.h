// Takes one incremental of Grafeo's into an open index transaction: its place in the chain, its
// pieces of the log, the epochs that they prove.
//
// Trust     none. The file has the manifest's CRC, says the manifest's epochs, and its log goes on
//           where that of the chain ends; otherwise nothing of it is used. Where a log that was
//           stored that way is damaged, the epochs before the damage are good, and the chain ends
// Cost      one pass over the file, both kinds of CRC included
// Errors    kCorrupt, kUnsupported: nothing of it can be used · of the storage and the index
#pragma once

#include <memory>

#include "engine/formats/grafeo/manifest.h"
#include "engine/index/page_index.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// `row` has an open chain. It tells of the incremental afterwards; what is wrong with the end of
// its log is among the problems.
Result<void> take_grafeo_incremental(PageIndex::Writer& writer, DatabaseRow& row, SegmentNo segment,
                                     const grafeo::SegmentEntry& entry,
                                     std::shared_ptr<const Blob> blob);

}  // namespace epochfs::engine
