// A repository in a directory of a local filesystem.
//
// Reading   opened beneath the root with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), regular
//           files only, no mmap: a file that shrinks is kIo, never a signal. Needs no more than
//           read permission and changes nothing, so a read-only medium will do. Every operation
//           opens the root anew by its path, so a repository that was moved away and brought back
//           is found again; open blobs keep what they opened.
// Writing   objects: O_TMPFILE, fsync, linkat, fsync of the directory (a named ".tmp-*" file and an
//           exclusive rename where there is no O_TMPFILE); replace(): ".tmp-*", fsync, comparison
//           and rename under a flock on the directory, fsync of the directory.
// Locking   flock on "<directory>/.lock", which is created once and stays; the kernel releases it
//           with the process, so a dead writer needs no human.
#pragma once

#include <memory>
#include <string>

#include "engine/storage/storage.h"

namespace epochfs::engine {

// `root` need not exist yet (every read is then kNotFound); the first write creates it, parents
// included, and fsyncs the directories it created into. What is made is for the owner alone: files
// 0600, directories 0700. A relative `root` is taken from the working directory of now, and stays
// there when the process moves on.
std::shared_ptr<Storage> open_local_storage(const std::string& root);

}  // namespace epochfs::engine
