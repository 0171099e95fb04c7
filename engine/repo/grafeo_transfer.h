// Backup directories of Grafeo's into repositories of ours, and back out of them: the same files in
// the same order, each checked against its checksum on the way.
//
// Again     what is there already is not copied again; a history that does not begin with it is
//           refused
// Order     segment by segment, each durable before the manifest names it: what is interrupted goes
//           on where it stopped
// Errors    kNotFound: no such database · kInvalid: several, or histories that do not fit together
//           · kCorrupt: a segment is not what its manifest says; nothing of it is stored · kExists:
//           the target holds something else · kLocked · those of the storages
#pragma once

#include <optional>
#include <string>

#include "engine/repo/operations.h"

namespace epochfs::engine {

struct ImportOptions {
  std::string source;    // a backup directory of Grafeo's, or one with several right below it
  std::string database;  // of several; empty: the only one
  std::string location;  // the repository, made on first use
  std::string cache_directory;
  std::string name;   // in the repository; empty: as the directory is called
  bool wait = false;  // for another writer
  Progress progress;
};
struct ExportOptions {
  std::string location;
  std::string database;  // empty: the only one of Grafeo's
  std::string cache_directory;
  std::string output;  // a directory, empty or begun before
  // Of the manifest. nullopt: as the history needs it. kInvalid: kV1 for one that 0.6 has written.
  std::optional<grafeo::Generation> format;
  bool wait = false;
  Progress progress;
};
struct TransferReport {
  std::string database;
  std::uint64_t segments = 0;         // in the history
  std::uint64_t segments_copied = 0;  // of them, now
  std::uint64_t bytes_read = 0;       // of what was copied, unpacked
  std::uint64_t bytes_stored = 0;
  double seconds = 0;
};
// Every segment is read back out of the repository, and compared, before the manifest names it.
Result<TransferReport> import_grafeo(const ImportOptions& options);
Result<TransferReport> export_grafeo(const ExportOptions& options);

}  // namespace epochfs::engine
