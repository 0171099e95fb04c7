// The part of restore() that is about epochs with an image and a log: two files, one database.
#pragma once

#include "engine/repo/operations.h"

namespace epochfs::engine {

// As restore() and restore_to_descriptor(), without the time that it took.
Result<RestoreReport> restore_logged(const LoggedEpoch& epoch, const RestoreOptions& options);
Result<RestoreReport> restore_logged_to_descriptor(const LoggedEpoch& epoch, int descriptor,
                                                   const Progress& progress);

}  // namespace epochfs::engine
