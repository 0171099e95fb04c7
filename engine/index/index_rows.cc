#include "engine/index/index_rows.h"

#include <algorithm>

namespace epochfs::engine::index_rows {
namespace {

// More than the row of an epoch mostly takes: they are made by the million.
constexpr std::size_t kEpochBytes = 128;

void put_text(ByteWriter& out, std::string_view text) {
  out.put_varint(text.size());
  out.put(as_bytes(text));
}

Result<std::string> take_text(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t size, in.take_varint());
  TRY_ASSIGN(const ByteView bytes, in.take(size));
  return std::string(as_text(bytes));
}

Result<std::uint32_t> take_u32(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t value, in.take_varint());
  if (value > UINT32_MAX) return Error::corrupt("index: number out of range");
  return static_cast<std::uint32_t>(value);
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

// What only epochs of pages have; of the others it is zero.
void put_page_facts(ByteWriter& out, const native::EpochFacts& facts) {
  out.put_le(facts.state.high());
  out.put_le(facts.state.low());
  out.put_le(facts.position.salt1);
  out.put_le(facts.position.salt2);
  out.put_varint(facts.position.checkpoint_sequence);
  out.put_varint(facts.position.frame);
}

Result<void> take_page_facts(ByteCursor& in, native::EpochFacts& facts) {
  TRY_ASSIGN(const auto high, in.take_le<std::uint64_t>());
  TRY_ASSIGN(const auto low, in.take_le<std::uint64_t>());
  facts.state = StateHash(high, low);
  TRY_ASSIGN(facts.position.salt1, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.position.salt2, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.position.checkpoint_sequence, take_u32(in));
  TRY_ASSIGN(facts.position.frame, take_u32(in));
  return {};
}

}  // namespace

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

Bytes key(DatabaseNo database, PageNo page, Epoch first) {
  ByteWriter out;
  out.put_be(database.get());
  out.put_be(page.get());
  out.put_be(first.get());
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
  TRY_ASSIGN(const auto page, in.take_be<std::uint32_t>());
  TRY_ASSIGN(const auto first, in.take_be<std::uint64_t>());
  TRY(in.expect_end());
  return RecordKey{DatabaseNo(database), PageNo(page), Epoch(first)};
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

Bytes encode(const EpochRow& row) {
  const native::EpochFacts& facts = row.facts;
  ByteWriter out;
  out.reserve(kEpochBytes);
  out.put_le(static_cast<std::uint8_t>(facts.how));
  out.put_varint(facts.epoch.get());
  out.put_le(facts.committed.get());
  out.put_le(facts.captured.get());
  out.put_varint(facts.size_bytes);
  if (native::has_pages(facts.how)) put_page_facts(out, facts);
  out.put_varint(facts.pages_changed);
  out.put_varint(facts.commits_folded);
  out.put_le(facts.flags);
  out.put_varint(facts.log_bytes);
  out.put_varint(row.segment.get());
  out.put_varint(row.base.get());
  out.put_varint(row.log_bytes);
  out.put_le(static_cast<std::uint8_t>(facts.basis));
  for (const LogLayer& layer : row.layers) {
    out.put_varint(layer.segment.get());
    out.put_varint(layer.frame);
    out.put_varint(layer.pages);
  }
  return std::move(out).take();
}

Result<EpochRow> parse_epoch(ByteView bytes) {
  ByteCursor in(bytes);
  EpochRow row;
  native::EpochFacts& facts = row.facts;
  TRY_ASSIGN(const auto how, in.take_le<std::uint8_t>());
  if (how > static_cast<std::uint8_t>(native::Captured::kImage))
    return Error::corrupt("index: how an epoch was captured");
  facts.how = static_cast<native::Captured>(how);
  TRY_ASSIGN(const std::uint64_t epoch, in.take_varint());
  TRY_ASSIGN(const auto committed, in.take_le<std::int64_t>());
  TRY_ASSIGN(const auto captured, in.take_le<std::int64_t>());
  TRY_ASSIGN(facts.size_bytes, in.take_varint());
  if (native::has_pages(facts.how)) TRY(take_page_facts(in, facts));
  TRY_ASSIGN(facts.pages_changed, take_u32(in));
  TRY_ASSIGN(facts.commits_folded, take_u32(in));
  TRY_ASSIGN(facts.flags, in.take_le<std::uint8_t>());
  TRY_ASSIGN(facts.log_bytes, in.take_varint());
  TRY_ASSIGN(const std::uint32_t segment, take_u32(in));
  TRY_ASSIGN(const std::uint32_t base, take_u32(in));
  TRY_ASSIGN(row.log_bytes, in.take_varint());
  TRY_ASSIGN(const auto basis, in.take_le<std::uint8_t>());
  while (in.left() > 0) {
    LogLayer layer;
    TRY_ASSIGN(layer.segment, take_u32(in).map([](std::uint32_t at) { return SegmentNo(at); }));
    TRY_ASSIGN(layer.frame, take_u32(in));
    TRY_ASSIGN(layer.pages, take_u32(in));
    row.layers.push_back(layer);
  }
  if (basis > static_cast<std::uint8_t>(native::Basis::kUnproven))
    return Error::corrupt("index: what an epoch rests on");
  facts.basis = static_cast<native::Basis>(basis);
  facts.epoch = Epoch(epoch);
  facts.committed = UtcTime(committed);
  facts.captured = UtcTime(captured);
  row.segment = SegmentNo(segment);
  row.base = SegmentNo(base);
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

Bytes encode_record(SegmentNo segment, std::uint64_t offset, const native::RecordRow& row) {
  ByteWriter out;
  out.put_varint(segment.get());
  out.put_varint(offset);
  out.put_varint(row.stored_bytes);
  for (std::size_t i = 1; i < row.epochs.size(); ++i)
    out.put_varint(row.epochs[i].get() - row.epochs[i - 1].get());
  return std::move(out).take();
}

Result<RecordPlace> parse_record(const RecordKey& record_key, ByteView bytes, Epoch epoch) {
  ByteCursor in(bytes);
  RecordPlace place;
  place.page = record_key.page;
  TRY_ASSIGN(const std::uint32_t segment, take_u32(in));
  place.segment = SegmentNo(segment);
  TRY_ASSIGN(place.offset, in.take_varint());
  TRY_ASSIGN(place.stored_bytes, take_u32(in));
  place.epoch = record_key.first;
  std::uint64_t next = record_key.first.get();
  while (in.left() > 0) {
    TRY_ASSIGN(const std::uint64_t delta, in.take_varint());
    next += delta;
    if (next > epoch.get()) break;
    place.epoch = Epoch(next);
  }
  return place;
}

void append_block(ByteWriter& group, std::uint64_t offset, const native::BlockRow& row) {
  if (group.size() == 0) group.put_le(offset);
  group.put_le(row.stored_bytes);
  for (const std::uint64_t hash : row.page_hashes) group.put_le(hash);
}

}  // namespace epochfs::engine::index_rows
