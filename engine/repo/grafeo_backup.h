// backup() of a database of Grafeo's, into a directory in Grafeo's own format (options.format says
// which) or into a repository of ours.
//
// Full      the image as it lies there, at the epoch of its last checkpoint
// Then      what the log holds beyond it, as an incremental
// Writes    to the database's side: backup_cursor.meta alone (see capture/grafeo_log_files.h)
// Errors    those of operations.h; kInvalid: another generation than the database's, or a history
//           that this database cannot continue
#pragma once

#include "engine/repo/operations.h"

namespace epochfs::engine {

Result<BackupReport> backup_grafeo(const BackupOptions& options);

}  // namespace epochfs::engine
