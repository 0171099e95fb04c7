// The table of records: chunks of them, by the number of the database, the group of pages, and the
// epoch at which the chunk begins. Private to this room.
#pragma once

#include <map>

#include "engine/index/lmdb_table.h"
#include "engine/index/record_group.h"

namespace epochfs::engine::index_rows {

// As PageIndex::Reader has them.
Result<std::vector<RecordPlace>> find_records(lmdb::Table table, DatabaseNo database,
                                              PageRange pages, std::uint64_t base_pages,
                                              Epoch after, Epoch epoch);
Result<std::optional<Epoch>> find_next_record(lmdb::Table table, DatabaseNo database, PageNo page,
                                              Epoch after);

// Records on their way into the table, within one transaction: gathered over segments, so that each
// chunk is touched once for many of them.
class RecordIntake {
 public:
  // Segment by segment, the pages of each ascending. No record begins before what the table has of
  // its page's group already.
  Result<void> add(lmdb::Table table, DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                   const native::RecordRow& row);
  // The groups of so many pages are to be there, with records or without: so that one that is not
  // found is not taken for pages that never changed.
  void expect_groups_of(DatabaseNo database, std::uint64_t pages);
  // What was added is in the table from now on.
  Result<void> flush(lmdb::Table table);

 private:
  struct Waiting {
    DatabaseNo database;
    PageNo page;
    Epoch first;
    SegmentNo segment;
    std::uint32_t stored_bytes = 0;
    std::uint64_t offset = 0;
    std::size_t more_begin = 0;  // of its later epochs, in more_
    std::uint32_t more = 0;
  };
  static Result<void> put_group(lmdb::Table table, std::span<const Waiting> waiting,
                                const std::vector<Epoch>& more);
  struct Expected {
    std::uint64_t next = 0;  // group; those before it are there
    std::uint64_t end = 0;
  };
  // Those before `end`.
  static Result<void> put_expected(lmdb::Table table, DatabaseNo database, Expected& expected,
                                   std::uint64_t end);

  std::vector<Waiting> waiting_;
  std::vector<Epoch> more_;
  std::map<DatabaseNo, Expected> expected_;
};

}  // namespace epochfs::engine::index_rows
