// The one door to a backup repository: what is in it, and any epoch of it as files.
//
// Threads   any
// Memory    block cache within `cache_bytes`; nothing grows with the repository
// Kinds     our own (epochfs.json); backup directories of Grafeo's, and snapshots and log copies of
//           ZLayer's, both as they are; told by what lies there
// Errors    kNoRepository: neither is there · kUnsupported: newer format · kNotFound: no such
//           database
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/storage/store_requests.h"
#include "engine/view/view.h"

namespace epochfs::engine {

struct RepositoryOptions {
  std::string location;         // a directory, or "s3://bucket/prefix"
  std::string cache_directory;  // empty: the user's (see default_cache_directory)
  std::uint64_t cache_bytes = 256ULL * 1024 * 1024;
  // On disk, of what was fetched from an object store; 0: none. Repositories of our own only.
  std::uint64_t disk_cache_bytes = 0;
  // Also epochs of ZLayer's that are right only if nothing is missing of the log before them.
  bool with_unproven = false;
};

// The object store that every `s3://` is in from now on, in this process: "https://host[:port]".
// `source` says where it was named, for messages. Before the process has other threads.
void choose_endpoint_url(std::string url, std::string source);

// $EPOCHFS_CACHE_DIR, else $XDG_CACHE_HOME/epochfs, else ~/.cache/epochfs, else /tmp/epochfs-<uid>.
// Not created.
std::string default_cache_directory();

struct CacheCounters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t bytes_held = 0;
  std::uint64_t bytes_max = 0;
  std::uint64_t bytes_read = 0;  // from the storage, stored form
  std::uint64_t disk_hits = 0;   // pieces of RangeCache::kPieceBytes
  std::uint64_t disk_misses = 0;
};

// What a database's history can give back.
struct DatabaseSummary {
  std::string name;
  native::Engine engine = native::Engine::kSqlite;
  std::string file_name;
  std::uint64_t epoch_count = 0;
  std::optional<native::EpochFacts> oldest;
  std::optional<native::EpochFacts> newest;
  std::optional<UtcTime> covered_until;
  std::uint64_t fulls = 0;
  std::uint64_t incrementals = 0;
  std::uint64_t stored_bytes = 0;
  std::vector<std::string> problems;  // segments that cannot be used and the epochs they cost
  std::vector<std::string> notes;     // good to know, and in nobody's way
};

class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  virtual ~Database() = default;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  [[nodiscard]] virtual native::Engine engine() const noexcept = 0;
  [[nodiscard]] virtual const std::string& file_name() const noexcept = 0;
  // Nothing but SQLite can tell whether an epoch is a whole database: the repository does not say
  // which log belongs to which image.
  [[nodiscard]] virtual bool needs_integrity_check() const noexcept { return false; }
  // The epochs as of now. Looks whether the manifest changed, at most every 100 ms (in an object
  // store every second), and takes in what is new; while one thread does that the others get the
  // timeline before. A manifest that cannot be read any more leaves the last good timeline in force
  // (its failure is in last_failure()).
  virtual Result<std::shared_ptr<const Timeline>> timeline() = 0;
  // kNoSuchEpoch. Cheap; views are not cached.
  virtual Result<std::shared_ptr<const View>> view(Epoch epoch) = 0;
  // kNoSuchEpoch. For restore and comparison, of a database whose epochs are pages
  // (kUnsupported for others) ...
  virtual Result<std::shared_ptr<const EpochImage>> image(Epoch epoch) = 0;
  // ... and of one whose epochs are an image and a log. nullptr: image() has all of it.
  virtual Result<std::shared_ptr<const LoggedEpoch>> logged(Epoch /*epoch*/) { return nullptr; }
  // Looks at every segment's presence and size: cost grows with their number.
  virtual Result<DatabaseSummary> summary() = 0;
  // Why the newest manifest could not be taken in, for status.json; empty: it was.
  virtual std::string last_failure() = 0;
};

class Repository {
 public:
  Repository() = default;
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;
  virtual ~Repository() = default;

  static Result<std::shared_ptr<Repository>> open(const RepositoryOptions& options);

  [[nodiscard]] virtual std::string location() const = 0;
  // Empty: repositories of its kind have none.
  [[nodiscard]] virtual const std::string& id() const noexcept = 0;
  [[nodiscard]] virtual const std::string& cache_directory()
      const noexcept = 0;  // of this repository
  // Names of the databases there now, sorted.
  virtual Result<std::vector<std::string>> databases() = 0;
  // The same object for the same name as long as somebody holds it.
  virtual Result<std::shared_ptr<Database>> database(const std::string& name) = 0;
  [[nodiscard]] virtual CacheCounters cache_counters() const = 0;
};

// `REPO`, `REPO#db`, `REPO@SEL`, `REPO#db@SEL`, `REPO@A..B`.
struct Source {
  std::string location;
  std::string database;  // empty: the only one, or all
  std::string selector;  // empty: none given
};
Result<Source> parse_source(std::string_view text);  // kInvalid

// The database that `source` names; without a name, the only one (kInvalid when there are several,
// naming them).
Result<std::shared_ptr<Database>> select_database(Repository& repository, const Source& source);
// `412`, `latest`, `latest~3`, a moment (at or before), `2h-ago`, the name of an epoch of ZLayer's.
// Empty is `latest`. kNoSuchEpoch
// says what there is; kInvalid: not a selector.
Result<native::EpochFacts> select_epoch(const Timeline& timeline, std::string_view selector);

}  // namespace epochfs::engine
