// verify() of one database of Grafeo's in a repository of ours: all that is verified of a backup
// directory, read through its packing, and the sums of the packed objects.
#pragma once

#include "engine/repo/native_database.h"
#include "engine/repo/operations.h"

namespace epochfs::engine {

// Adds to `report`; the index of `parts` is for this alone. Quick: as of a backup directory.
Result<void> verify_packed(const NativeParts& parts, const native::Manifest& manifest, bool quick,
                           const Progress& progress, VerifyReport& report);

}  // namespace epochfs::engine
