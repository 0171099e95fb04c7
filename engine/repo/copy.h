// A repository of ours copied to another place, a directory or a bucket either way: the same
// objects under the same names.
//
// Order     of each database the segments, durable; then the manifest that names them, byte for
//           byte; a new one begins with a manifest of its first segment alone. What is interrupted
//           goes on where it stopped
// Again     what the target's manifest names is not looked at, and an object that is there with the
//           right SHA-256 is not sent again
// Not       copied are cursors: the first backup into the copy compares pages
// Errors    kNoRepository: the source is none · kNotFound: no such database · kCorrupt: an object
//           of the source is not what its manifest says; nothing of it is stored · kIo: the target
//           holds another history, and what to do · kLocked · those of the storages
#pragma once

#include <string>

#include "engine/repo/operations.h"

namespace epochfs::engine {

struct CopyOptions {
  std::string source;
  std::string database;  // empty: all
  std::string target;    // made on first use
  bool wait = false;     // for another writer
  Progress progress;
};
struct CopyReport {
  std::uint64_t databases = 0;
  std::uint64_t segments = 0;         // of them
  std::uint64_t segments_copied = 0;  // now
  std::uint64_t bytes_copied = 0;
  double seconds = 0;
};
Result<CopyReport> copy_repository(const CopyOptions& options);

}  // namespace epochfs::engine
