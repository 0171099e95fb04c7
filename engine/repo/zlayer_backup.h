// backup() of a database of SQLite's into a prefix in ZLayer's layout.
//
// Snapshot  the state that a generation of the log begins with, whole
// Copy      that log so far: one commit for each epoch since. Every backup that finds something new
//           stores another one, with everything that the one before has
// Kept      each copy is durable on this machine before it is sent (zlayer_outbox.h); so a store
//           that is gone costs nothing but time, as long as a copy is what is to be sent
// Errors    those of operations.h; kInvalid: the database is none of SQLite's, or of another
//           history. kUnreachable, kIo with nothing lost: the text says where it is kept
#pragma once

#include "engine/repo/operations.h"

namespace epochfs::engine {

Result<BackupReport> backup_zlayer(const BackupOptions& options);

// Whether the place has that layout and no other; or had, if it is out of reach, when this machine
// stored the database there.
Result<bool> is_zlayer_place(const BackupOptions& options);

}  // namespace epochfs::engine
