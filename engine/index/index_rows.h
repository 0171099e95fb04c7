// Keys and values of the index as bytes. Private to this room: the layout may change with
// kIndexLayout, old files are thrown away.
#pragma once

#include "engine/index/page_index.h"

namespace epochfs::engine::index_rows {

// Changes whenever any key, value or table below does.
inline constexpr std::uint32_t kIndexLayout = 8;

// Numbers in rows.
Result<std::uint32_t> take_u32(ByteCursor& in);
// A number by how far it is from another one, in either direction: small when it is near.
std::uint64_t folded(std::uint64_t from, std::uint64_t to) noexcept;
Result<std::uint64_t> take_from(ByteCursor& in, std::uint64_t from);

// Big-endian, so that LMDB's byte order is numeric order.
Bytes key(DatabaseNo database, std::uint64_t number);                    // epochs, bases
Bytes key(DatabaseNo database, SegmentNo segment);                       // segments
Bytes key(DatabaseNo database, SegmentNo segment, std::uint32_t group);  // block groups
Bytes key(DatabaseNo database, SegmentNo base, std::uint64_t begin);     // extents of a log

// A group of pages, and the epoch at which a chunk of its records begins.
Bytes record_key(DatabaseNo database, std::uint32_t group, Epoch first);
// With which all keys of a database begin, but for those of objects.
Bytes key_prefix(DatabaseNo database);

// Objects: the name of the database, a zero, SHA-256 of the object's name and version.
Bytes object_prefix(std::string_view database);
Bytes object_key(std::string_view database, std::string_view object, std::string_view version);

struct RecordKey {
  DatabaseNo database;
  std::uint32_t group = 0;
  Epoch first;
};
Result<RecordKey> parse_record_key(ByteView bytes);
struct EpochKey {
  DatabaseNo database;
  Epoch epoch;
};
Result<EpochKey> parse_epoch_key(ByteView bytes);

struct ExtentKey {
  DatabaseNo database;
  SegmentNo base;
  std::uint64_t begin = 0;
};
Result<ExtentKey> parse_extent_key(ByteView bytes);

Bytes encode(const DatabaseRow& row);
Result<DatabaseRow> parse_database(ByteView bytes);
Bytes encode(const SegmentRow& row);
Result<SegmentRow> parse_segment(ByteView bytes);
Bytes encode(const LogExtent& extent);
Result<LogExtent> parse_extent(const ExtentKey& extent_key, ByteView bytes);

inline constexpr std::uint32_t kBlocksPerGroup = 16;
// A group: offset of its first block, then per block its stored size and page hashes, one after
// another.
void append_block(ByteWriter& group, std::uint64_t offset, const native::BlockRow& row);

}  // namespace epochfs::engine::index_rows
