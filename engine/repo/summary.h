// What a database's history can give back, as far as its index knows.
#pragma once

#include "engine/repo/repository.h"
#include "engine/storage/storage.h"
#include "engine/view/indexed_timeline.h"

namespace epochfs::engine {

// All but name, engine, file name and the numbers of segments.
Result<DatabaseSummary> summary_of(const IndexedTimeline& timeline);

struct ListedSegment {
  std::string filename;
  std::string object;  // its name in the storage
  std::uint64_t size_bytes = 0;
  bool is_full = false;
};
// Counts a segment of the manifest, and looks whether it is still there.
Result<void> add_segment(DatabaseSummary& summary, const IndexedTimeline& timeline,
                         const Storage& storage, const ListedSegment& segment);

}  // namespace epochfs::engine
