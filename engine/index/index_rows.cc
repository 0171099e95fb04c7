#include "engine/index/index_rows.h"

#include <algorithm>

namespace epochfs::engine::index_rows {
namespace {

void put_text(ByteWriter& out, std::string_view text) {
  out.put_varint(text.size());
  out.put(as_bytes(text));
}

Result<std::string> take_text(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t size, in.take_varint());
  TRY_ASSIGN(const ByteView bytes, in.take(size));
  return std::string(as_text(bytes));
}

Result<PageSize> take_page_size(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t bytes, in.take_varint());
  return PageSize::from(bytes);
}

void put_generation(ByteWriter& out, grafeo::Generation generation) {
  out.put_le(static_cast<std::uint8_t>(generation));
}

Result<grafeo::Generation> take_generation(ByteCursor& in) {
  TRY_ASSIGN(const auto number, in.take_le<std::uint8_t>());
  const auto generation = static_cast<grafeo::Generation>(number);
  if (generation != grafeo::Generation::kV1 && generation != grafeo::Generation::kV2)
    return Error::corrupt("index: generation");
  return generation;
}

void put_chain(ByteWriter& out, const LogChain& chain) {
  put_generation(out, chain.generation);
  out.put_varint(chain.bytes);
  out.put_varint(chain.epoch_bytes);
  out.put_varint(chain.image_lsn.get());
  out.put_varint(chain.next_lsn.get());
  out.put(chain.database_id);
  out.put_varint(chain.open_commits);
  out.put_varint(chain.open_records);
}

Result<LogChain> take_chain(ByteCursor& in) {
  LogChain chain;
  TRY_ASSIGN(chain.generation, take_generation(in));
  TRY_ASSIGN(chain.bytes, in.take_varint());
  TRY_ASSIGN(chain.epoch_bytes, in.take_varint());
  TRY_ASSIGN(chain.image_lsn, in.take_varint().map(grafeo::as<grafeo::Lsn>));
  TRY_ASSIGN(chain.next_lsn, in.take_varint().map(grafeo::as<grafeo::Lsn>));
  TRY_ASSIGN(const auto id, in.take<std::tuple_size_v<grafeo::DatabaseId>>());
  std::ranges::copy(id, chain.database_id.begin());
  TRY_ASSIGN(chain.open_commits, in.take_varint());
  TRY_ASSIGN(chain.open_records, in.take_varint());
  return chain;
}

}  // namespace

Result<std::uint32_t> take_u32(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t value, in.take_varint());
  if (value > UINT32_MAX) return Error::corrupt("index: number out of range");
  return static_cast<std::uint32_t>(value);
}

std::uint64_t folded(std::uint64_t from, std::uint64_t to) noexcept {
  const std::uint64_t difference = to - from;
  return (difference << 1U) ^ (0 - (difference >> 63U));
}

Result<std::uint64_t> take_from(ByteCursor& in, std::uint64_t from) {
  TRY_ASSIGN(const std::uint64_t difference, in.take_varint());
  return from + ((difference >> 1U) ^ (0 - (difference & 1U)));
}

Bytes key(DatabaseNo database, std::uint64_t number) {
  ByteWriter out;
  out.reserve(sizeof(std::uint32_t) + sizeof(std::uint64_t));
  out.put_be(database.get());
  out.put_be(number);
  return std::move(out).take();
}

Bytes key(DatabaseNo database, SegmentNo segment) {
  ByteWriter out;
  out.put_be(database.get());
  out.put_be(segment.get());
  return std::move(out).take();
}

Bytes key(DatabaseNo database, SegmentNo segment, std::uint32_t group) {
  ByteWriter out;
  out.put_be(database.get());
  out.put_be(segment.get());
  out.put_be(group);
  return std::move(out).take();
}

Bytes record_key(DatabaseNo database, std::uint32_t group, Epoch first) {
  ByteWriter out;
  out.reserve(2 * sizeof(std::uint32_t) + sizeof(std::uint64_t));
  out.put_be(database.get());
  out.put_be(group);
  out.put_be(first.get());
  return std::move(out).take();
}

Bytes key_prefix(DatabaseNo database) {
  ByteWriter out;
  out.put_be(database.get());
  return std::move(out).take();
}

Bytes key(DatabaseNo database, SegmentNo base, std::uint64_t begin) {
  ByteWriter out;
  out.put_be(database.get());
  out.put_be(base.get());
  out.put_be(begin);
  return std::move(out).take();
}

Bytes object_prefix(std::string_view database) {
  ByteWriter out;
  out.put(as_bytes(database));
  out.put_le(std::uint8_t{0});
  return std::move(out).take();
}

Bytes object_key(std::string_view database, std::string_view object, std::string_view version) {
  ByteWriter name;
  put_text(name, object);
  put_text(name, version);
  ByteWriter out;
  out.put(object_prefix(database));
  out.put(Sha256::of(name.view()));
  return std::move(out).take();
}

Result<RecordKey> parse_record_key(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto database, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto group, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto first, in.take_be<std::uint64_t>());
  TRY(in.expect_end());
  return RecordKey{DatabaseNo(database), group, Epoch(first)};
}

Result<EpochKey> parse_epoch_key(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto database, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto epoch, in.take_be<std::uint64_t>());
  TRY(in.expect_end());
  return EpochKey{DatabaseNo(database), Epoch(epoch)};
}

Result<ExtentKey> parse_extent_key(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto database, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto base, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto begin, in.take_be<std::uint64_t>());
  TRY(in.expect_end());
  return ExtentKey{DatabaseNo(database), SegmentNo(base), begin};
}

Bytes encode(const DatabaseRow& row) {
  ByteWriter out;
  out.put_varint(row.number.get());
  out.put_le(row.segments_hash);
  out.put_varint(row.segment_count);
  out.put_varint(row.epoch_count);
  out.put_varint(row.oldest.get());
  out.put_varint(row.newest.get());
  out.put_varint(row.stored_bytes);
  out.put_le(static_cast<std::uint8_t>(row.chain_open ? 1 : 0));
  out.put_varint(row.base.get());
  out.put_varint(row.chain_end.get());
  put_chain(out, row.log);
  out.put_varint(row.problems.size());
  for (const IndexProblem& problem : row.problems) {
    put_text(out, problem.object);
    put_text(out, problem.text);
    out.put_varint(problem.first_lost.get());
    out.put_varint(problem.last_lost.get());
    put_text(out, problem.version);
  }
  out.put_varint(row.notes.size());
  for (const std::string& note : row.notes) put_text(out, note);
  return std::move(out).take();
}

Result<DatabaseRow> parse_database(ByteView bytes) {
  ByteCursor in(bytes);
  DatabaseRow row;
  TRY_ASSIGN(const std::uint32_t number, take_u32(in));
  row.number = DatabaseNo(number);
  TRY_ASSIGN(row.segments_hash, in.take_le<std::uint64_t>());
  TRY_ASSIGN(row.segment_count, take_u32(in));
  TRY_ASSIGN(row.epoch_count, in.take_varint());
  TRY_ASSIGN(const std::uint64_t oldest, in.take_varint());
  TRY_ASSIGN(const std::uint64_t newest, in.take_varint());
  TRY_ASSIGN(row.stored_bytes, in.take_varint());
  TRY_ASSIGN(const auto chain_open, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const std::uint32_t base, take_u32(in));
  TRY_ASSIGN(const std::uint64_t chain_end, in.take_varint());
  row.oldest = Epoch(oldest);
  row.newest = Epoch(newest);
  row.chain_open = chain_open != 0;
  row.base = SegmentNo(base);
  row.chain_end = Epoch(chain_end);
  TRY_ASSIGN(row.log, take_chain(in));
  TRY_ASSIGN(const std::uint64_t problems, in.take_varint());
  for (std::uint64_t i = 0; i < problems; ++i) {
    IndexProblem problem;
    TRY_ASSIGN(problem.object, take_text(in));
    TRY_ASSIGN(problem.text, take_text(in));
    TRY_ASSIGN(const std::uint64_t first, in.take_varint());
    TRY_ASSIGN(const std::uint64_t last, in.take_varint());
    problem.first_lost = Epoch(first);
    problem.last_lost = Epoch(last);
    TRY_ASSIGN(problem.version, take_text(in));
    row.problems.push_back(std::move(problem));
  }
  TRY_ASSIGN(const std::uint64_t notes, in.take_varint());
  for (std::uint64_t i = 0; i < notes; ++i) {
    TRY_ASSIGN(std::string note, take_text(in));
    row.notes.push_back(std::move(note));
  }
  TRY(in.expect_end());
  return row;
}

Bytes encode(const SegmentRow& row) {
  ByteWriter out;
  out.put_le(static_cast<std::uint8_t>(row.kind));
  put_text(out, row.filename);
  put_text(out, row.version);
  out.put_varint(row.stored_bytes);
  out.put(row.tables_sha256);
  out.put_varint(row.page_size.bytes());
  out.put_varint(row.block_bytes);
  out.put_varint(row.image_bytes);
  out.put_varint(row.end_epoch.get());
  out.put_varint(row.base.get());
  out.put_le(row.crc32);
  put_generation(out, row.generation);
  return std::move(out).take();
}

Result<SegmentRow> parse_segment(ByteView bytes) {
  ByteCursor in(bytes);
  SegmentRow row;
  TRY_ASSIGN(const auto kind, in.take_le<std::uint8_t>());
  if (kind > 1) return Error::corrupt("index: segment kind");
  row.kind = static_cast<native::SegmentKind>(kind);
  TRY_ASSIGN(row.filename, take_text(in));
  TRY_ASSIGN(row.version, take_text(in));
  TRY_ASSIGN(row.stored_bytes, in.take_varint());
  TRY_ASSIGN(const auto digest, in.take<32>());
  std::ranges::copy(digest, row.tables_sha256.begin());
  TRY_ASSIGN(row.page_size, take_page_size(in));
  TRY_ASSIGN(row.block_bytes, take_u32(in));
  TRY_ASSIGN(row.image_bytes, in.take_varint());
  TRY_ASSIGN(const std::uint64_t end, in.take_varint());
  TRY_ASSIGN(const std::uint32_t base, take_u32(in));
  row.end_epoch = Epoch(end);
  row.base = SegmentNo(base);
  TRY_ASSIGN(row.crc32, in.take_le<std::uint32_t>());
  TRY_ASSIGN(row.generation, take_generation(in));
  TRY(in.expect_end());
  return row;
}

Bytes encode(const LogExtent& extent) {
  ByteWriter out;
  out.put_varint(extent.segment.get());
  out.put_varint(extent.range.begin);
  out.put_varint(extent.range.size);
  out.put_varint(extent.first_lsn.get());
  return std::move(out).take();
}

Result<LogExtent> parse_extent(const ExtentKey& extent_key, ByteView bytes) {
  ByteCursor in(bytes);
  LogExtent extent;
  extent.begin = extent_key.begin;
  TRY_ASSIGN(const std::uint32_t segment, take_u32(in));
  extent.segment = SegmentNo(segment);
  TRY_ASSIGN(extent.range.begin, in.take_varint());
  TRY_ASSIGN(extent.range.size, in.take_varint());
  TRY_ASSIGN(extent.first_lsn, in.take_varint().map(grafeo::as<grafeo::Lsn>));
  TRY(in.expect_end());
  return extent;
}

void append_block(ByteWriter& group, std::uint64_t offset, const native::BlockRow& row) {
  if (group.size() == 0) group.put_le(offset);
  group.put_le(row.stored_bytes);
  for (const std::uint64_t hash : row.page_hashes) group.put_le(hash);
}

}  // namespace epochfs::engine::index_rows
