// Where in the log of a Grafeo 0.6 database its backup directory ends: read from the directory
// itself, because the cursor beside the database may tell of another one.
//
// Trust     none; sizes are for GrafeoWriter::check_chain()
#pragma once

#include "engine/repo/grafeo_writer.h"

namespace epochfs::engine {

struct GrafeoTip {
  Epoch epoch;
  grafeo::Lsn lsn;  // behind everything that is backed up
  grafeo::DatabaseId database_id{};
  Bytes last_bytes;  // of the log before `lsn`, as far as they are at hand
};

inline constexpr std::size_t kTipBytesMax = 4096;

// Of the last segment of the manifest, which has one. kUnsupported: it is of the other generation.
// kNotFound, kCorrupt: nothing can be built on it.
Result<GrafeoTip> load_grafeo_tip(const GrafeoWriter& writer);

}  // namespace epochfs::engine
