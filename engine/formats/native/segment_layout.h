// Native segments, versions 1 and 2: values of the footer, the tables and the record header, and
// their bytes.
//
// Source    engine/formats/native/segment.md is the specification; this file is its other half
// Trust     none: every parser checks lengths, counts, offsets and order before it uses them
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/hash.h"
#include "engine/core/units.h"

namespace epochfs::engine::native {

// Skippable zstd frames that carry everything that is not page data; stock zstd passes over them.
inline constexpr std::uint32_t kSignatureFrame = 0x184D2A50;
inline constexpr std::uint32_t kTableFrame = 0x184D2A51;
inline constexpr std::uint32_t kFooterFrame = 0x184D2A52;
inline constexpr std::uint32_t kRecordFrame = 0x184D2A53;

inline constexpr std::size_t kFrameHeaderSize = 8;  // magic u32, length u32
inline constexpr std::size_t kSignatureSize = kFrameHeaderSize + 8;
inline constexpr std::size_t kFooterContentSize = 128;
inline constexpr std::size_t kFooterSize = kFrameHeaderSize + kFooterContentSize;

inline constexpr std::uint32_t kBlockBytesMin = 16 * 1024;
inline constexpr std::uint32_t kBlockBytesMax = 64 * 1024;
inline constexpr std::uint32_t kRecordBytesMax = 64 * 1024;  // versions of one record, decompressed
inline constexpr std::uint32_t kUnitBytesMax = 128 * 1024;   // a block or record as stored
// Magic number, header, one block and checksum of the smallest zstd frame that holds a byte.
inline constexpr std::uint32_t kUnitBytesMin = 13;

enum class SegmentKind : std::uint8_t {
  kFull = 0,
  kIncremental = 1,
  kLog = 2,  // a file that holds a piece of a database's own log, in blocks
};

// How an epoch came to be known.
enum class Captured : std::uint8_t {
  kCommit = 0,    // one transaction, proven by an unbroken log
  kPageDiff = 1,  // the state found by comparing pages; may fold several transactions
  // Of databases that keep a log of records, in repositories of other kinds; in no table here.
  kLog = 2,    // read from that log
  kImage = 3,  // a whole image; what changed since the epoch before is not known
};
std::string_view captured_name(Captured how) noexcept;  // "commit", "page-diff", "log", "image"

// Only epochs of pages have a state hash. Where there are none, `pages_changed` counts records.
constexpr bool has_pages(Captured how) noexcept { return how <= Captured::kPageDiff; }

// Where in the source's log the epoch ends; all zero when it was not read from a log.
struct SourcePosition {
  std::uint32_t salt1 = 0;
  std::uint32_t salt2 = 0;
  std::uint32_t checkpoint_sequence = 0;
  std::uint32_t frame = 0;
  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

// What an epoch rests on, in repositories that do not say which log belongs to which image.
enum class Basis : std::uint8_t {
  kStored = 0,    // the repository says so; in all of ours
  kShown = 1,     // their contents do
  kAssumed = 2,   // only the times speak for it
  kUnproven = 3,  // right if nothing of the log before is missing
};
std::string_view basis_name(Basis basis) noexcept;  // "stored", "shown", "assumed", "unproven"

inline constexpr std::uint8_t kEpochWalMode = 1;  // EpochFacts::flags: the SQLite header says WAL

struct EpochFacts {
  Epoch epoch;
  UtcTime committed;  // when the commit was seen: an upper bound that never runs backwards
  UtcTime captured;   // when capture read it
  std::uint64_t size_bytes = 0;
  StateHash state;
  SourcePosition position;
  std::uint32_t pages_changed = 0;
  std::uint32_t commits_folded = 0;  // 0 = unknown; 1 for kCommit
  Captured how = Captured::kCommit;
  std::uint8_t flags = 0;
  std::uint64_t log_bytes = 0;   // kLog: what it added to the log; in no table here
  Basis basis = Basis::kStored;  // in no table here
  friend bool operator==(const EpochFacts&, const EpochFacts&) = default;
};

struct Footer {
  SegmentKind kind = SegmentKind::kFull;
  std::uint32_t page_size = 0;
  std::uint32_t block_size = 0;   // 0 in incrementals
  std::uint32_t epoch_count = 0;  // 0 in logs, which tell of their epochs themselves
  Epoch start_epoch;              // fulls: 0
  Epoch end_epoch;
  Epoch base_epoch;  // incrementals: end epoch of the full whose pages are the prefixes
  // Fulls: size of the image. Incrementals: size of the base's image. Logs: size of the file.
  std::uint64_t image_bytes = 0;
  std::uint64_t unit_count = 0;     // blocks or records
  std::uint64_t version_count = 0;  // page versions held
  std::uint64_t tables_offset = 0;  // units lie in [kSignatureSize, tables_offset)
  std::uint64_t tables_bytes = 0;
  std::uint64_t tables_hash = 0;  // XXH3-64 of the tables' bytes
  friend bool operator==(const Footer&, const Footer&) = default;
};

namespace frame_fields {  // of every skippable frame
inline constexpr Field<std::uint32_t, 0> kMagic;
inline constexpr Field<std::uint32_t, kMagic.end> kLength;
static_assert(kLength.end == kFrameHeaderSize);
}  // namespace frame_fields

namespace footer_fields {                         // of the footer frame's content
inline constexpr Field<std::uint64_t, 0> kMagic;  // the bytes "EPFSFOOT"
inline constexpr Field<std::uint32_t, kMagic.end> kVersion;
inline constexpr Field<std::uint32_t, kVersion.end> kFlags;
inline constexpr Field<std::uint32_t, kFlags.end> kKind;  // one byte and three that are zero
inline constexpr Field<std::uint32_t, kKind.end> kPageSize;
inline constexpr Field<std::uint32_t, kPageSize.end> kBlockSize;
inline constexpr Field<std::uint32_t, kBlockSize.end> kEpochCount;
inline constexpr Field<std::uint64_t, kEpochCount.end> kStartEpoch;
inline constexpr Field<std::uint64_t, kStartEpoch.end> kEndEpoch;
inline constexpr Field<std::uint64_t, kEndEpoch.end> kBaseEpoch;
inline constexpr Field<std::uint64_t, kBaseEpoch.end> kImageBytes;
inline constexpr Field<std::uint64_t, kImageBytes.end> kUnitCount;
inline constexpr Field<std::uint64_t, kUnitCount.end> kVersionCount;
inline constexpr Field<std::uint64_t, kVersionCount.end> kTablesOffset;
inline constexpr Field<std::uint64_t, kTablesOffset.end> kTablesBytes;
inline constexpr Field<std::uint64_t, kTablesBytes.end> kTablesHash;
inline constexpr Field<std::uint64_t, kTablesHash.end> kReservedFirst;  // zero
inline constexpr Field<std::uint64_t, kReservedFirst.end> kReservedSecond;
inline constexpr Field<std::uint64_t, kReservedSecond.end> kHash;  // XXH3-64 of all before it
static_assert(kHash.end == kFooterContentSize);
}  // namespace footer_fields

// The lowest version that can say what a footer says: 2 for logs, and for fulls of an epoch 0.
std::uint32_t segment_version(const Footer& footer) noexcept;
// Footer flags that a reader must know to read the segment; the others it may pass over.
inline constexpr std::uint32_t kIncompatibleFlags = 0x0000ffff;

Bytes signature_frame();
Result<void> check_signature(ByteView frame);
// kFooterSize bytes, frame header included.
Bytes encode_footer(const Footer& footer);
// `object_bytes` is the whole object's size; the footer must agree with it, and its numbers with
// each other. kUnsupported: newer version or an unknown incompatible flag, in a footer that is
// whole.
Result<Footer> parse_footer(ByteView frame, std::uint64_t object_bytes);

// --- tables: each frame holds one chunk of rows of one table, its columns compressed together ---

enum class TableKind : std::uint8_t { kBlocks = 1, kRecords = 2, kEpochs = 3 };

namespace table_fields {                         // of a table frame's content
inline constexpr Field<std::uint32_t, 0> kKind;  // one byte and three that are zero
inline constexpr Field<std::uint32_t, kKind.end> kRows;
inline constexpr Field<std::uint32_t, kRows.end> kRawBytes;
}  // namespace table_fields

inline constexpr std::size_t kTableHeaderSize = kFrameHeaderSize + table_fields::kRawBytes.end;
inline constexpr std::uint32_t kBlocksPerChunk = 1024;
inline constexpr std::uint32_t kRecordsPerChunk = 8192;
inline constexpr std::uint32_t kEpochsPerChunk = 4096;
inline constexpr std::uint32_t kVersionsPerChunk = 65536;  // over all records of a chunk
inline constexpr std::uint32_t kTableRawMax = 4 * 1024 * 1024;
inline constexpr std::uint32_t kTableStoredMax = kTableRawMax + kTableRawMax / 64;

// The most rows that a chunk of a table has.
std::uint32_t rows_per_chunk(TableKind kind) noexcept;

// Header of a table frame: kind u8, three zero bytes, rows u32, raw size u32; a zstd frame of the
// columns follows.
struct TableHeader {
  TableKind kind = TableKind::kBlocks;
  std::uint32_t rows = 0;
  std::uint32_t raw_bytes = 0;     // of the columns, decompressed; at most kTableRawMax
  std::uint32_t stored_bytes = 0;  // of the zstd frame
};
Bytes encode_table_header(const TableHeader& header);
Result<TableHeader> parse_table_header(ByteView bytes);  // kTableHeaderSize bytes

// One block of a full: its stored size, and the hash of each page in it.
struct BlockRow {
  std::uint32_t stored_bytes = 0;
  std::vector<std::uint64_t> page_hashes;
};
// All rows but the image's last hold block_size / page_size hashes.
Bytes encode_blocks(std::span<const BlockRow> rows);
Result<std::vector<BlockRow>> parse_blocks(ByteView raw, std::uint32_t rows,
                                           std::uint32_t pages_per_block, std::uint64_t pages_left);

// One record of an incremental: a page, the stored size of its unit, and the epochs of its
// versions.
struct RecordRow {
  PageNo page;
  std::uint32_t stored_bytes = 0;
  std::vector<Epoch> epochs;  // ascending, at least one
};
Bytes encode_records(std::span<const RecordRow> rows, Epoch start_epoch);
Result<std::vector<RecordRow>> parse_records(ByteView raw, std::uint32_t rows, Epoch start_epoch,
                                             Epoch end_epoch);

Bytes encode_epochs(std::span<const EpochFacts> rows);
Result<std::vector<EpochFacts>> parse_epochs(ByteView raw, std::uint32_t rows);

// --- a record as stored: this header in a skippable frame, then one zstd frame of the versions ---

struct RecordHeader {
  PageNo page;
  bool has_prefix = false;  // the zstd frame needs the page's image in the base full
  std::vector<Epoch> epochs;
  std::vector<std::uint64_t> hashes;  // one per epoch
};
Bytes encode_record_header(const RecordHeader& header);
struct ParsedRecordHeader {
  RecordHeader header;
  std::size_t bytes = 0;  // where the zstd frame begins
};
Result<ParsedRecordHeader> parse_record_header(ByteView unit);

// Versions of one page that fit into one record.
constexpr std::uint32_t versions_per_record(PageSize page_size) noexcept {
  return kRecordBytesMax / page_size.bytes();
}
inline constexpr std::uint32_t kVersionsPerRecordMax = kRecordBytesMax / PageSize::kMin;
// A record with so many versions as stored: its header, and of each version behind the first at
// least one byte of its epoch, and of each its hash.
constexpr std::uint32_t record_bytes_min(std::uint32_t versions) noexcept {
  return 24 + (versions - 1) + 8 * versions + kUnitBytesMin;
}

// Whether a page of the base full may serve as a prefix. One that begins with the magic number of
// zstd's trained dictionaries may not: the stock tool would take it for one and refuse it.
bool is_usable_prefix(ByteView page) noexcept;

}  // namespace epochfs::engine::native
