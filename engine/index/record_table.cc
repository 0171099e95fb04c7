#include "engine/index/record_table.h"

#include <algorithm>
#include <tuple>

#include "engine/index/index_faults.h"
#include "engine/index/index_rows.h"

namespace epochfs::engine::index_rows {
namespace {

// In which each group begins.
constexpr Epoch kBeginning(0);
// Some 15 MiB.
constexpr std::size_t kWaitingMax = 256 * 1024;

PageNo page_in(std::uint32_t group, std::uint32_t slot) {
  return page_no(std::uint64_t{group} * kGroupPages + slot + 1);
}

struct FoundChunk {
  RecordKey key;
  ByteView value;
};

Result<std::optional<FoundChunk>> chunk_of(const std::optional<lmdb::Item>& item,
                                           DatabaseNo database) {
  if (!item) return std::optional<FoundChunk>();
  TRY_ASSIGN(const RecordKey found, parse_record_key(item->key));
  if (found.database != database) return std::optional<FoundChunk>();
  return std::optional(FoundChunk{found, item->value});
}

// The newest version in the record that is not after `epoch`; the first is not.
RecordPlace place_of(PageNo page, const RecordEntry& entry, Epoch epoch) {
  const auto behind = std::ranges::upper_bound(entry.epochs, epoch);
  return {
      page,          *std::prev(behind), static_cast<std::uint32_t>(entry.epochs.end() - behind),
      entry.segment, entry.offset,       entry.stored_bytes};
}

// What a chunk says of its group's pages at an epoch.
Result<void> add_places(const FoundChunk& chunk, RecordChunkReader& reader, PageRange pages,
                        Epoch after, Epoch epoch, std::vector<RecordPlace>& found) {
  std::array<RecordPlace, kGroupPages> newest{};
  for (;;) {
    TRY_ASSIGN(const RecordEntry* const entry, reader.next());
    if (entry == nullptr) break;
    if (entry->epochs.front() > epoch) {
      if (reader.is_carried()) continue;
      break;
    }
    newest.at(entry->slot) = place_of(page_in(chunk.key.group, entry->slot), *entry, epoch);
  }
  for (const RecordPlace& place : newest) {
    if (place.epoch > after && place.page >= pages.first && place.page <= pages.last)
      found.push_back(place);
  }
  return {};
}

// Where the chunk begins, if it is one of that group.
std::optional<Epoch> first_behind(const std::optional<FoundChunk>& chunk, std::uint32_t group) {
  return chunk && chunk->key.group == group ? std::optional(chunk->key.first) : std::nullopt;
}

Result<std::optional<RecordChunk>> last_chunk(lmdb::Table table, DatabaseNo database,
                                              std::uint32_t group) {
  TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(table));
  TRY_ASSIGN(const auto item, cursor.not_above(record_key(database, group, Epoch(UINT64_MAX))));
  TRY_ASSIGN(const auto found, chunk_of(item, database));
  if (!found || found->key.group != group) return std::optional<RecordChunk>();
  TRY_ASSIGN(RecordChunk chunk, RecordChunk::from(found->key.first, found->value));
  return std::optional(std::move(chunk));
}

}  // namespace

Result<std::vector<RecordPlace>> find_records(lmdb::Table table, DatabaseNo database,
                                              PageRange pages, std::uint64_t base_pages,
                                              Epoch after, Epoch epoch) {
  TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(table));
  std::vector<RecordPlace> found;
  std::uint64_t group = group_of(pages.first);
  while (group <= group_of(pages.last)) {
    // The first chunk behind what we look for: either of this group but too new, or of a later
    // group. What we look for is right before it.
    const auto wanted = static_cast<std::uint32_t>(group);
    TRY_ASSIGN(const auto item, cursor.from(record_key(database, wanted, Epoch(epoch.get() + 1))));
    TRY_ASSIGN(const auto behind, chunk_of(item, database));
    TRY_ASSIGN(const auto before, cursor.move(item ? MDB_PREV : MDB_LAST));
    TRY_ASSIGN(const auto chunk, chunk_of(before, database));
    const bool is_there = chunk && chunk->key.group == wanted;
    if (is_there) {
      TRY_ASSIGN(RecordChunkReader reader, RecordChunkReader::open(chunk->key.first, chunk->value));
      if (reader.behind() != first_behind(behind, wanted)) return damaged_index(table.txn);
      TRY(add_places(*chunk, reader, pages, after, epoch, found));
    }
    // Every page of the base has a group.
    if (!is_there && page_in(wanted, 0).get() <= base_pages) return damaged_index(table.txn);
    if (!behind) break;
    ++group;
  }
  return found;
}

Result<std::optional<Epoch>> find_next_record(lmdb::Table table, DatabaseNo database, PageNo page,
                                              Epoch after) {
  const std::uint32_t group = group_of(page);
  TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(table));
  TRY_ASSIGN(auto item, cursor.not_above(record_key(database, group, after)));
  TRY_ASSIGN(auto chunk, chunk_of(item, database));
  if (!chunk || chunk->key.group != group) {
    TRY_ASSIGN(item, cursor.from(record_key(database, group, Epoch(0))));
    TRY_ASSIGN(chunk, chunk_of(item, database));
  }
  while (chunk && chunk->key.group == group) {
    TRY_ASSIGN(RecordChunkReader reader, RecordChunkReader::open(chunk->key.first, chunk->value));
    for (;;) {
      TRY_ASSIGN(const RecordEntry* const entry, reader.next());
      if (entry == nullptr) break;
      if (!reader.is_carried() && page_in(group, entry->slot) == page &&
          entry->epochs.front() > after)
        return std::optional(entry->epochs.front());
    }
    TRY_ASSIGN(item, cursor.move(MDB_NEXT));
    TRY_ASSIGN(chunk, chunk_of(item, database));
  }
  return std::optional<Epoch>();
}

Result<void> RecordIntake::add(lmdb::Table table, DatabaseNo database, SegmentNo segment,
                               std::uint64_t offset, const native::RecordRow& row) {
  // A segment's records of a group are written together: they are in order of their pages here, and
  // of their epochs in the table.
  const bool goes_on = !waiting_.empty() && waiting_.back().database == database &&
                       waiting_.back().segment == segment &&
                       group_of(waiting_.back().page) == group_of(row.page);
  if (waiting_.size() >= kWaitingMax && !goes_on) TRY(flush(table));
  waiting_.push_back({database, row.page, row.epochs.front(), segment, row.stored_bytes, offset,
                      more_.size(), static_cast<std::uint32_t>(row.epochs.size() - 1)});
  more_.insert(more_.end(), row.epochs.begin() + 1, row.epochs.end());
  return {};
}

void RecordIntake::expect_groups_of(DatabaseNo database, std::uint64_t pages) {
  Expected& expected = expected_[database];
  expected.end = std::max(expected.end, (pages + kGroupPages - 1) / kGroupPages);
}

Result<void> RecordIntake::put_expected(lmdb::Table table, DatabaseNo database, Expected& expected,
                                        std::uint64_t end) {
  for (; expected.next < std::min(end, expected.end); ++expected.next) {
    const Bytes key = record_key(database, static_cast<std::uint32_t>(expected.next), kBeginning);
    TRY_ASSIGN(const auto there, lmdb::find(table, key));
    if (!there) TRY(append(table, key, RecordChunk(kBeginning).bytes(std::nullopt)));
  }
  return {};
}

Result<void> RecordIntake::flush(lmdb::Table table) {
  const auto order = [](const Waiting& record) {
    return std::tuple(record.database, group_of(record.page), record.first, record.page);
  };
  std::ranges::sort(waiting_, {}, order);
  const auto same_group = [](const Waiting& one, const Waiting& other) {
    return one.database == other.database && group_of(one.page) == group_of(other.page);
  };
  for (auto begin = waiting_.begin(); begin != waiting_.end();) {
    const auto end = std::find_if_not(
        begin, waiting_.end(), [&](const Waiting& record) { return same_group(*begin, record); });
    // In order: tables that are filled from their beginning to their end are dense.
    if (const auto expected = expected_.find(begin->database); expected != expected_.end())
      TRY(put_expected(table, begin->database, expected->second, group_of(begin->page)));
    TRY(put_group(table, {begin, end}, more_));
    begin = end;
  }
  for (auto& [database, expected] : expected_)
    TRY(put_expected(table, database, expected, expected.end));
  expected_.clear();
  waiting_.clear();
  more_.clear();
  return {};
}

Result<void> RecordIntake::put_group(lmdb::Table table, std::span<const Waiting> waiting,
                                     const std::vector<Epoch>& more) {
  const DatabaseNo database = waiting.front().database;
  const std::uint32_t group = group_of(waiting.front().page);
  TRY_ASSIGN(std::optional<RecordChunk> chunk, last_chunk(table, database, group));
  if (!chunk) chunk.emplace(kBeginning);
  const auto store = [&](std::optional<Epoch> behind) {
    return append(table, record_key(database, group, chunk->first()), chunk->bytes(behind));
  };
  for (const Waiting& record : waiting) {
    if (chunk->is_full() && record.first > chunk->first()) {
      TRY(store(record.first));
      chunk = chunk->next(record.first);
    }
    RecordEntry entry{(record.page.get() - 1) % kGroupPages,
                      record.segment,
                      record.offset,
                      record.stored_bytes,
                      {record.first}};
    const auto begin = more.begin() + static_cast<std::ptrdiff_t>(record.more_begin);
    entry.epochs.insert(entry.epochs.end(), begin, begin + record.more);
    TRY(chunk->append(entry));
  }
  return store(std::nullopt);
}

}  // namespace epochfs::engine::index_rows
