// Takes a native repository's manifest and segment tables into the index.
//
// Trust     none in manifest and segments: a segment that is missing, damaged, foreign or does not
//           continue its chain costs its own epochs and those built on it, is remembered as a
//           problem, and hides nothing else
// Threads   any; writers of the index take turns, also across processes
// Cost      what is in the index already is not read again; one index transaction for many segments
#pragma once

#include <string>

#include "engine/formats/native/manifest.h"
#include "engine/index/page_index.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// `version` is that of the manifest's object; `again` and errors as take_in() has them (history.h).
Result<DatabaseRow> bring_up_to_date(PageIndex& index, const Storage& storage,
                                     const native::Manifest& manifest, const std::string& version,
                                     bool again);

}  // namespace epochfs::engine
