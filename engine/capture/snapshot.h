// A live database, read consistently: its image, or what changed since a state that is known.
//
//   open_snapshot -> info() -> read_image()                        first backup, or a new base
//                           -> changes_since(known) -> next() ...  an increment
//                           -> confirm()                           before any of it is committed
//
// Trust     the database may be damaged, hostile, or replaced under our feet
// Writes    nothing to the user's database or its log; SQLite's own side files (-shm, an empty
//           -wal) come and go as with any reader
// Threads   one at a time per object; an object belongs to the thread that opened it
// Memory    bounded: pages stream; per batch at most a few times frames_per_batch small entries,
//           and a bit per page while pages are compared; what must outlive a lock is spooled to
//           unlinked files in `temp_directory`
// Locks     WAL mode: a read transaction as long as the snapshot lives, nobody waits for it.
//           Rollback-journal modes: a shared lock from open_snapshot until read_image or
//           changes_since has read what it needs; commits wait for that, so call them at once
// Errors    kNotFound: no such file · kInvalid: not a regular file · kBusy: locked by its users, or
//           it keeps changing (text says which) · kCorrupt: damaged · kUnsupported: not a database,
//           or encrypted · kIo · kNoSpace: in temp_directory
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/formats/native/manifest.h"

namespace epochfs::engine {

inline constexpr std::size_t kFramesPerBatch = 1'000'000;
// How often a database that changes while it is read is tried again.
inline constexpr int kSnapshotAttempts = 5;

struct SnapshotOptions {
  std::string path;
  std::optional<native::Engine>
      engine;  // nullopt: by the file's first bytes (an empty file is SQLite)
  std::string temp_directory = "/tmp";
  int busy_timeout_ms = 10000;
  std::size_t frames_per_batch = kFramesPerBatch;  // at least 1
};

struct SnapshotInfo {
  native::Engine engine = native::Engine::kSqlite;
  std::string file_name;  // last component of the path
  PageSize page_size;
  std::uint64_t size_bytes = 0;  // of the newest state that is visible
  bool wal_mode = false;         // the SQLite header says write-ahead log
  std::string journal_mode;      // as SQLite names it; empty for engine file
};

// What the repository knows of the newest epoch.
struct KnownState {
  native::EpochFacts newest;
  PageSize page_size;
  std::optional<native::Cursor> cursor;
  // XXH3-64 of each page of the range (inside the newest epoch's size), in order.
  std::function<Result<std::vector<std::uint64_t>>(PageRange)> page_hashes;
};

// One epoch to be, numbered later.
struct EpochDraft {
  std::uint64_t size_bytes = 0;
  native::SourcePosition position;
  native::Captured how = native::Captured::kCommit;
  std::uint32_t commits_folded = 0;
  std::uint8_t flags = 0;  // native::kEpochWalMode
};

// Consecutive epochs and the page versions they brought; becomes one incremental segment.
class ChangeBatch {
 public:
  ChangeBatch() = default;
  ChangeBatch(const ChangeBatch&) = delete;
  ChangeBatch& operator=(const ChangeBatch&) = delete;
  virtual ~ChangeBatch() = default;

  [[nodiscard]] virtual const std::vector<EpochDraft>& epochs() const noexcept = 0;  // never empty
  // Calls `sink` for every page version: pages ascending, then epochs ascending (`ordinal` indexes
  // epochs()). `page` is whole; its span is valid during the call. Complete: for each epoch, the
  // pages that differ from the epoch before, every page that the epoch added by growing included.
  // Pages beyond an epoch's size are left out. A version may equal the one before (a page rewritten
  // unchanged).
  using Sink = std::function<Result<void>(PageNo page, std::uint32_t ordinal, ByteView bytes)>;
  virtual Result<void> visit(const Sink& sink) = 0;
};

class Changes {
 public:
  Changes() = default;
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;
  virtual ~Changes() = default;

  // Set when an increment cannot express the new state (other page size, other kind of file): take
  // a full.
  [[nodiscard]] virtual const std::optional<std::string>& needs_full() const noexcept = 0;
  // Empty when every transaction was captured as such; else why pages were compared ("WAL was
  // restarted twice since the last backup").
  [[nodiscard]] virtual const std::string& page_diff_reason() const noexcept = 0;
  // The next batch, nullptr after the last. The batch before must be gone by then. No batch at all:
  // nothing changed.
  virtual Result<std::unique_ptr<ChangeBatch>> next() = 0;
};

class Snapshot {
 public:
  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  virtual ~Snapshot() = default;

  [[nodiscard]] virtual const SnapshotInfo& info() const noexcept = 0;
  // Feeds the whole image, info().size_bytes long, in order. Writers are not held up by a slow
  // sink.
  virtual Result<void> read_image(const std::function<Result<void>(ByteView)>& sink) = 0;
  // The draft that goes with read_image(): how is kPageDiff, commits_folded as far as known.
  [[nodiscard]] virtual EpochDraft image_draft() const = 0;
  virtual Result<std::unique_ptr<Changes>> changes_since(const KnownState& known) = 0;
  // What was read is one consistent state of the database. kBusy: it changed while it was read;
  // throw away what was made of it and take a new snapshot.
  virtual Result<void> confirm() = 0;
  // Where to go on next time; `epoch` and nothing else is left for the caller to set. Valid after
  // confirm().
  [[nodiscard]] virtual native::Cursor cursor() const = 0;
  // Bytes read from the database and its log so far.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;
};

// kSqlite by the first 16 bytes or an empty file, else kFile.
Result<native::Engine> detect_engine(const std::string& path);
// When the database's side files come and go meanwhile, another look helps, and is taken; who locks
// it is waited for as long as the options say.
Result<std::unique_ptr<Snapshot>> open_snapshot(const SnapshotOptions& options);

}  // namespace epochfs::engine
