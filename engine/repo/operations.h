// What the command does with a repository, each as one call: values in, values out, no terminal.
//
// Errors    those of repository.h and capture/snapshot.h; kLocked: another writer is at work, or
//           was faster; kExists: the output is there
// Progress  called from one thread at a time, now and then; done and total in bytes (total 0:
//           unknown)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/formats/grafeo/units.h"
#include "engine/repo/repository.h"

namespace epochfs::engine {

using Progress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

// Makes an empty repository. kExists: there is one already, or the directory holds something else.
Result<void> init_repository(const std::string& location);

struct BackupOptions {
  std::string database_path;
  std::string location;
  std::string cache_directory;
  std::string name;  // empty: the file's name without its last extension
  std::optional<native::Engine> engine;
  // Set: `location` is (or becomes) a backup directory in Grafeo's own format, for the database of
  // Grafeo of that generation whose image is at `database_path`; see grafeo_backup.h.
  std::optional<grafeo::Generation> format;
  // `location` has, or is to have, ZLayer's layout, for one database of SQLite's; see
  // zlayer_backup.h. Where it has that already, this need not be said.
  bool zlayer = false;
  bool dry_run = false;
  bool full = false;  // also store a new full of the newest epoch
  bool wait = false;  // for another writer
  Progress progress;
};

struct BackupReport {
  std::string database;
  native::Engine engine = native::Engine::kSqlite;
  std::optional<Epoch> newest;     // after the backup (or as it would be, for a dry run)
  std::optional<Epoch> first_new;  // nullopt: nothing changed
  std::uint64_t epochs_added = 0;
  std::uint64_t pages_stored = 0;  // page versions
  std::uint64_t bytes_read = 0;    // from the database and its log
  std::uint64_t bytes_stored = 0;  // into the repository
  bool wrote_full = false;
  bool wrote_incremental = false;
  std::string reason;   // why pages were compared, or a full was taken; empty: neither
  std::string warning;  // what failed when the new epochs were safe already; empty: nothing
  double seconds = 0;
};
Result<BackupReport> backup(const BackupOptions& options);

struct RestoreOptions {
  std::string output;  // a path; "-" is not handled here: see restore_to_descriptor
  bool force = false;  // replace an existing output
  Progress progress;
};
struct RestoreReport {
  Epoch epoch;
  std::uint64_t size_bytes = 0;    // of all files
  std::optional<StateHash> state;  // of epochs of pages
  std::string log_directory;       // of epochs with a log: where that is; empty: none
  double seconds = 0;
};
// Temporary file beside the output, state hash checked while writing, fsync, rename, fsync of the
// directory; then `-wal`, `-shm` and `-journal` of a replaced output are gone. Mode 0600, mtime =
// commit time.
// An epoch with a log gets a directory for it beside the output, which appears before it; both are
// complete, and compared with their checksums, before either has its name.
Result<RestoreReport> restore(Database& database, Epoch epoch, const RestoreOptions& options);
// kInvalid: the epoch has a log, and is two files.
Result<RestoreReport> restore_to_descriptor(Database& database, Epoch epoch, int descriptor,
                                            const Progress& progress);

// Of every database, or of the one named. kNotFound names those that there are.
Result<std::vector<DatabaseSummary>> summarize(Repository& repository,
                                               const std::string& database /* empty: all */);

struct Damage {
  std::string database;
  std::string object;               // file in the repository
  std::string text;                 // what is wrong with it, where
  std::optional<Epoch> first_lost;  // epochs that it costs (all their bytes or some), both included
  std::optional<Epoch> last_lost;
  bool loses_all = false;  // every epoch of the database, and which those are is lost too
};
struct VerifyReport {
  std::uint64_t databases = 0;
  std::uint64_t segments = 0;
  // Whose state hashes were recomputed; structure only, and where there are none: that are listed.
  std::uint64_t epochs = 0;
  std::uint64_t bytes_checked = 0;
  std::vector<Damage> damage;         // empty: sound
  std::vector<std::string> warnings;  // harmless: orphans, half-written files
};
// quick: manifests, sizes, footers and tables. Otherwise everything: SHA-256 of each segment, every
// block and record decoded, every page hash, the state hash of every epoch. Of Grafeo's directories
// the incrementals are read in any case, and the fulls unless `quick`; of ZLayer's all objects, and
// unless `quick` SQLite looks at the newest epoch on each snapshot. Damage is an answer, not a
// failure.
Result<VerifyReport> verify(const std::string& location, const std::string& database, bool quick,
                            const Progress& progress);

struct DiffReport {
  native::EpochFacts from;
  native::EpochFacts to;
  std::uint64_t pages_changed = 0;  // in both, with other content
  std::uint64_t pages_added = 0;
  std::uint64_t pages_removed = 0;
  std::uint64_t bytes_changed = 0;  // page size x (changed + added)
  std::vector<PageRange> ranges;    // of changed and added pages, ascending
  // Instead, where epochs are records of a log: what was committed between the two.
  struct Log {
    std::uint64_t epochs = 0;  // that there are between them, the later one included
    std::uint64_t transactions = 0;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    bool complete = true;  // false: a part of it is in no backup
  };
  std::optional<Log> log;
};
Result<DiffReport> diff(Database& database, Epoch from, Epoch to);

// For a process that is told to end while one of the above is under way: removes what that has put
// into directories of its own. It fails from then on, and everything that begins after it.
void remove_temporary_copies();

}  // namespace epochfs::engine
