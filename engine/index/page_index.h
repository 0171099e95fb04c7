// The disposable index: "newest version of page P not after epoch E", and everything else a mount
// asks of a repository's tables. LMDB in a private directory; may be deleted at any time; never
// part of a commit.
//
// Trust     built by this code only, in a directory that only this user can enter. Disks flip bits,
//           so every row has a sum, and what lies behind each other says so: what is damaged is kIo
//           and removed, never another answer
// Threads   a Reader belongs to one thread at a time, any number of them may be open; one Writer
//           at a time (others wait, other processes too)
// Sharing   several processes may have it open; a killed one leaves the last committed state
// Errors    kIo: LMDB or the filesystem failed, with what it said
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/handle.h"
#include "engine/formats/grafeo/units.h"
#include "engine/formats/native/segment_layout.h"

struct MDB_env;
struct MDB_txn;

namespace epochfs::engine {

// Numbers a database's rows. A history that is rebuilt gets a new one, so rows of two builds never
// mix.
using DatabaseNo = Strong<struct DatabaseNoTag, std::uint32_t>;
// A segment's place in its manifest, from 0.
using SegmentNo = Strong<struct SegmentNoTag, std::uint32_t>;

// A segment, or a range of epochs, that cannot be offered, and why.
struct IndexProblem {
  std::string object;
  std::string text;
  Epoch first_lost;
  Epoch last_lost;
  // Of the object when it was looked at; empty: it was not there. take_in() fills it in.
  std::string version = {};
  friend bool operator==(const IndexProblem&, const IndexProblem&) = default;
};

// Where the log of a chain of Grafeo's has to go on. The *log of a chain* is what its incrementals
// hold of the log, one piece after another: for v1 frames, for v2 one header and then frames.
struct LogChain {
  grafeo::Generation generation = grafeo::Generation::kV1;
  std::uint64_t bytes = 0;        // of it, so far
  std::uint64_t epoch_bytes = 0;  // of them, up to the last epoch or the image's state
  // v2: where the image's state ends, where the next piece begins, whose log it is.
  grafeo::Lsn image_lsn;
  grafeo::Lsn next_lsn;
  grafeo::DatabaseId database_id{};
  // What lies behind the last epoch and belongs to the next one.
  std::uint64_t open_commits = 0;
  std::uint64_t open_records = 0;
  friend bool operator==(const LogChain&, const LogChain&) = default;
};

// How far a database's manifest has been taken in.
struct DatabaseRow {
  DatabaseNo number;
  std::uint64_t segments_hash = 0;  // over the manifest entries taken in, in order
  std::uint32_t segment_count = 0;
  std::uint64_t epoch_count = 0;
  Epoch oldest;  // 0: no epoch yet
  Epoch newest;
  std::uint64_t stored_bytes = 0;
  // The chain that the next incremental must continue.
  bool chain_open = false;
  SegmentNo base;
  Epoch chain_end;
  LogChain log;                        // Grafeo only
  std::vector<IndexProblem> problems;  // at most kProblemsMax, then one that says there are more
  std::vector<std::string> notes;      // good to know; at most kProblemsMax
  friend bool operator==(const DatabaseRow&, const DatabaseRow&) = default;
};
inline constexpr std::size_t kProblemsMax = 1000;

struct SegmentRow {
  native::SegmentKind kind = native::SegmentKind::kFull;
  std::string filename;
  std::string version;             // of the object when its tables were read
  std::uint64_t stored_bytes = 0;  // its size
  Sha256Digest tables_sha256{};
  PageSize page_size;
  std::uint32_t block_bytes = 0;  // fulls
  std::uint64_t image_bytes = 0;  // fulls; of Grafeo, the whole file
  Epoch end_epoch;
  SegmentNo base;                                           // incrementals
  std::uint32_t crc32 = 0;                                  // Grafeo: of the whole file
  grafeo::Generation generation = grafeo::Generation::kV1;  // Grafeo
  friend bool operator==(const SegmentRow&, const SegmentRow&) = default;
};

// A log up to one of its frames, laid over what is below it. ZLayer only.
struct LogLayer {
  SegmentNo segment;
  std::uint32_t frame = 0;
  std::uint32_t pages = 0;  // size of the database there
  friend bool operator==(const LogLayer&, const LogLayer&) = default;
};

struct EpochRow {
  native::EpochFacts facts;
  SegmentNo segment;  // the first that brought it
  // Grafeo and ZLayer: the image below it; and how much of the log of its chain belongs to it, or
  // the logs on top of the image from the bottom up.
  SegmentNo base{};
  std::uint64_t log_bytes = 0;
  std::vector<LogLayer> layers{};
  friend bool operator==(const EpochRow&, const EpochRow&) = default;
};

// A piece of the log of a chain, as it lies in an incremental.
struct LogExtent {
  std::uint64_t begin = 0;  // in the log of the chain
  SegmentNo segment;
  ByteRange range;        // of its file
  grafeo::Lsn first_lsn;  // v2: of the first frame in it
  friend bool operator==(const LogExtent&, const LogExtent&) = default;
};

// The record that holds a page's version, and which epoch's version it is.
struct RecordPlace {
  PageNo page;
  Epoch epoch;
  std::uint32_t newer = 0;  // versions behind it in the record
  SegmentNo segment;
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
};

struct BlockPlace {
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
  std::vector<std::uint64_t> page_hashes;
};

class PageIndex {
 public:
  class Reader;
  class Writer;

  // A scratch index does not survive a crash of the machine and saves the time that this takes.
  enum class Kind { kKept, kScratch };

  // Opens or creates the index in `directory` (created 0700, parents too). A file that is damaged,
  // foreign or of another layout is thrown away. Opening one twice in a process gives the same
  // object.
  static Result<std::shared_ptr<PageIndex>> open(const std::string& directory,
                                                 Kind kind = Kind::kKept);

  PageIndex(const PageIndex&) = delete;
  PageIndex& operator=(const PageIndex&) = delete;
  ~PageIndex();

  Result<Reader> read() const;
  Result<Writer> write();

 private:
  struct Tables;
  PageIndex();
  static Result<std::shared_ptr<PageIndex>> open_once(const std::string& file, Kind kind);
  // False: not all of them are there, and `flags` is MDB_RDONLY.
  static Result<bool> open_tables(MDB_env* env, Tables& tables, unsigned flags);

  std::unique_ptr<MDB_env, void (*)(MDB_env*)> env_;
  std::unique_ptr<Tables> tables_;
};

// A consistent look at the index. Values are copied out, nothing points into it.
class PageIndex::Reader {
 public:
  Reader(Reader&&) noexcept = default;
  Reader& operator=(Reader&&) noexcept = default;
  ~Reader() = default;

  Result<std::optional<DatabaseRow>> database(std::string_view name) const;
  Result<SegmentRow> segment(DatabaseNo database, SegmentNo segment) const;
  Result<std::optional<EpochRow>> epoch(DatabaseNo database, Epoch epoch) const;
  // The nearest epoch at or before / at or after.
  Result<std::optional<EpochRow>> last_epoch_not_after(DatabaseNo database, Epoch epoch) const;
  Result<std::optional<EpochRow>> first_epoch_from(DatabaseNo database, Epoch epoch) const;
  // Ascending from `first`, at most `count_max`, none above `last`.
  Result<std::vector<EpochRow>> epochs(DatabaseNo database, Epoch first, Epoch last,
                                       std::size_t count_max) const;
  // The full with the greatest end epoch not after `epoch`; of several the last in the manifest.
  Result<std::optional<SegmentNo>> base_of(DatabaseNo database, Epoch epoch) const;
  // The end epoch of the next full after `epoch`.
  Result<std::optional<Epoch>> next_base(DatabaseNo database, Epoch epoch) const;
  // For each page of the range that got a version in (after, epoch]: the newest of them; pages
  // ascending. One seek for each group of them, whatever lies between. `base_pages`: how many a
  // full has that put_base() was told of.
  Result<std::vector<RecordPlace>> records(DatabaseNo database, PageRange pages,
                                           std::uint64_t base_pages, Epoch after,
                                           Epoch epoch) const;
  // The first epoch after `after` for which a record of the page begins.
  Result<std::optional<Epoch>> next_record(DatabaseNo database, PageNo page, Epoch after) const;
  // Consecutive blocks of a full, `first` counts from 0. kCorrupt when the full has no such block.
  Result<std::vector<BlockPlace>> blocks(DatabaseNo database, SegmentNo full,
                                         std::uint32_t pages_per_block, std::uint64_t image_pages,
                                         std::uint64_t first, std::size_t count) const;
  // What put_object() was told of that version of an object. Points into the index, for as long as
  // this reader lives.
  Result<std::optional<ByteView>> object_facts(std::string_view database, std::string_view object,
                                               std::string_view version) const;
  // The pieces of the log of the chain on `base` that hold some of `bytes` of it, in order, at most
  // `count_max`. None: the chain has no log, or not that far.
  Result<std::vector<LogExtent>> log_extents(DatabaseNo database, SegmentNo base, ByteRange bytes,
                                             std::size_t count_max) const;

 private:
  friend class PageIndex;
  friend class Writer;
  Reader(const Tables& tables, MDB_txn* txn);

  const Tables* tables_;
  std::unique_ptr<MDB_txn, void (*)(MDB_txn*)> txn_;
};

// One transaction; gone without a trace unless committed.
class PageIndex::Writer {
 public:
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();

  // Sees what was put, but for blocks and epochs that were not ended yet, and for records.
  [[nodiscard]] const Reader& reader() const noexcept { return reader_; }

  // Drops all rows of the database's old number, if it has one, and gives it a fresh one.
  Result<DatabaseNo> begin_database(std::string_view name);
  Result<void> put_database(std::string_view name, const DatabaseRow& row);
  Result<void> put_segment(DatabaseNo database, SegmentNo segment, const SegmentRow& row);
  // A full of so many pages that may serve as base from its end epoch on.
  Result<void> put_base(DatabaseNo database, Epoch end_epoch, SegmentNo segment,
                        std::uint64_t pages);
  // Epochs in order; gathered and written in groups, the last by end_epochs(). The first of them
  // takes the place of all that the database has from it on.
  Result<void> put_epoch(DatabaseNo database, const EpochRow& row);
  Result<void> end_epochs();
  Result<void> put_log_extent(DatabaseNo database, SegmentNo base, const LogExtent& extent);
  // What is known of an object, whatever becomes of the history it is in.
  Result<void> put_object(std::string_view database, std::string_view object,
                          std::string_view version, ByteView facts);
  struct ObjectName {
    std::string object;
    std::string version;
  };
  // Forgets all other objects of the database.
  Result<void> keep_objects(std::string_view database, const std::vector<ObjectName>& objects);
  // Segment by segment, the pages of each ascending, no epoch before those of the segments before.
  // Records are gathered and written with the commit, or when there are many.
  Result<void> put_record(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                          const native::RecordRow& row);
  // Blocks in order; gathered and written in groups, the last by end_blocks().
  Result<void> put_block(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                         const native::BlockRow& row);
  Result<void> end_blocks(DatabaseNo database, SegmentNo segment);

  Result<void> commit() &&;

 private:
  friend class PageIndex;
  struct Gathered;  // on its way into the tables
  explicit Writer(Reader reader);
  Result<void> flush_blocks(DatabaseNo database, SegmentNo segment);

  Reader reader_;
  std::unique_ptr<Gathered> gathered_;
  ByteWriter block_group_;
  std::uint32_t blocks_in_group_ = 0;
  std::uint32_t next_group_ = 0;
};

}  // namespace epochfs::engine
