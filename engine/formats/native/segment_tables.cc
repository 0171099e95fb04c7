// Columns of the tables: each one array of little-endian numbers, one after another.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine::native {
namespace {

// A column as numbers, or as differences to the row before (to 0 in the first; they may wrap).
template <class T, class Row, class Get>
void put_column(ByteWriter& out, std::span<const Row> rows, const Get& get) {
  for (const Row& row : rows) out.put_le(static_cast<T>(get(row)));
}
template <class T, class Row, class Get>
void put_deltas(ByteWriter& out, std::span<const Row> rows, const Get& get) {
  T before = 0;
  for (const Row& row : rows) {
    const T value = static_cast<T>(get(row));
    out.put_le(static_cast<T>(value - before));
    before = value;
  }
}

// A column in memory that a cursor has checked.
template <class T>
class Column {
 public:
  explicit Column(ByteView bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] T operator[](std::size_t row) const noexcept {
    return load_le<T>(bytes_.subspan(row * sizeof(T)));
  }

 private:
  ByteView bytes_;
};

template <class T>
Result<Column<T>> take_column(ByteCursor& in, std::size_t rows) {
  TRY_ASSIGN(const ByteView bytes, in.take(rows * sizeof(T)));
  return Column<T>(bytes);
}

Result<std::uint32_t> checked_stored_bytes(std::uint32_t stored_bytes) {
  if (stored_bytes == 0 || stored_bytes > kUnitBytesMax)
    return Error::corrupt(fmt::format("unit of {} bytes", stored_bytes));
  return stored_bytes;
}

Result<void> check_row_count(std::uint32_t rows, TableKind kind) {
  if (rows > rows_per_chunk(kind)) return Error::corrupt(fmt::format("{} rows in a chunk", rows));
  return {};
}

// Pages ascending; versions of a page may go on in the next row, later ones there.
Result<void> check_follows(const RecordRow& before, const RecordRow& row) {
  if (row.page < before.page ||
      (row.page == before.page && row.epochs.front() <= before.epochs.back()))
    return Error::corrupt(fmt::format("records out of order at page {}", row.page.get()));
  return {};
}

}  // namespace

Bytes encode_blocks(std::span<const BlockRow> rows) {
  ByteWriter out;
  put_column<std::uint32_t>(out, rows, [](const BlockRow& row) { return row.stored_bytes; });
  for (const BlockRow& row : rows) {
    for (const std::uint64_t hash : row.page_hashes) out.put_le(hash);
  }
  return std::move(out).take();
}

Result<std::vector<BlockRow>> parse_blocks(ByteView raw, std::uint32_t rows,
                                           std::uint32_t pages_per_block,
                                           std::uint64_t pages_left) {
  TRY(check_row_count(rows, TableKind::kBlocks));
  ByteCursor in(raw);
  TRY_ASSIGN(const auto stored_bytes, take_column<std::uint32_t>(in, rows));
  std::vector<BlockRow> blocks(rows);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (pages_left == 0) return Error::corrupt("more blocks than the image has");
    const std::uint64_t pages = std::min<std::uint64_t>(pages_per_block, pages_left);
    pages_left -= pages;
    TRY_ASSIGN(blocks[i].stored_bytes, checked_stored_bytes(stored_bytes[i]));
    TRY_ASSIGN(const auto hashes, take_column<std::uint64_t>(in, pages));
    blocks[i].page_hashes.resize(pages);
    for (std::size_t page = 0; page < pages; ++page) blocks[i].page_hashes[page] = hashes[page];
  }
  TRY(in.expect_end());
  return blocks;
}

Bytes encode_records(std::span<const RecordRow> rows, Epoch start_epoch) {
  ByteWriter out;
  put_deltas<std::uint32_t>(out, rows, [](const RecordRow& row) { return row.page.get(); });
  put_column<std::uint32_t>(out, rows, [](const RecordRow& row) { return row.stored_bytes; });
  put_column<std::uint16_t>(out, rows, [](const RecordRow& row) { return row.epochs.size(); });
  for (const RecordRow& row : rows) {
    put_column<std::uint32_t>(out, std::span(row.epochs), [start_epoch](Epoch epoch) {
      return epoch.get() - start_epoch.get();
    });
  }
  return std::move(out).take();
}

Result<std::vector<RecordRow>> parse_records(ByteView raw, std::uint32_t rows, Epoch start_epoch,
                                             Epoch end_epoch) {
  TRY(check_row_count(rows, TableKind::kRecords));
  ByteCursor in(raw);
  TRY_ASSIGN(const auto page_deltas, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto stored_bytes, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto version_counts, take_column<std::uint16_t>(in, rows));
  std::vector<RecordRow> records(rows);
  std::uint32_t page = 0;
  std::uint64_t versions = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    RecordRow& record = records[i];
    page += page_deltas[i];
    if (page == 0 || page > kPageCountMax) return Error::corrupt(fmt::format("page {}", page));
    record.page = PageNo(page);
    TRY_ASSIGN(record.stored_bytes, checked_stored_bytes(stored_bytes[i]));
    const std::uint16_t count = version_counts[i];
    versions += count;
    if (count == 0 || count > kVersionsPerRecordMax || versions > kVersionsPerChunk ||
        record.stored_bytes < record_bytes_min(count))
      return Error::corrupt(
          fmt::format("{} versions of page {} in {} bytes", count, page, record.stored_bytes));
    TRY_ASSIGN(const auto epochs, take_column<std::uint32_t>(in, count));
    record.epochs.reserve(count);
    for (std::size_t version = 0; version < count; ++version) {
      if (epochs[version] > end_epoch.get() - start_epoch.get() ||
          (version > 0 && epochs[version] <= epochs[version - 1]))
        return Error::corrupt(fmt::format("epochs of page {}", page));
      record.epochs.emplace_back(start_epoch.get() + epochs[version]);
    }
    if (i > 0) TRY(check_follows(records[i - 1], record));
  }
  TRY(in.expect_end());
  return records;
}

Bytes encode_epochs(std::span<const EpochFacts> rows) {
  using Row = EpochFacts;
  ByteWriter out;
  put_deltas<std::uint64_t>(out, rows, [](const Row& row) { return row.epoch.get(); });
  put_deltas<std::uint64_t>(out, rows, [](const Row& row) { return row.committed.get(); });
  put_deltas<std::uint64_t>(out, rows, [](const Row& row) { return row.captured.get(); });
  put_deltas<std::uint64_t>(out, rows, [](const Row& row) { return row.size_bytes; });
  put_column<std::uint64_t>(out, rows, [](const Row& row) { return row.state.high(); });
  put_column<std::uint64_t>(out, rows, [](const Row& row) { return row.state.low(); });
  put_column<std::uint32_t>(out, rows, [](const Row& row) { return row.position.salt1; });
  put_column<std::uint32_t>(out, rows, [](const Row& row) { return row.position.salt2; });
  put_column<std::uint32_t>(out, rows,
                            [](const Row& row) { return row.position.checkpoint_sequence; });
  put_column<std::uint32_t>(out, rows, [](const Row& row) { return row.position.frame; });
  put_column<std::uint32_t>(out, rows, [](const Row& row) { return row.pages_changed; });
  put_column<std::uint32_t>(out, rows, [](const Row& row) { return row.commits_folded; });
  put_column<std::uint8_t>(out, rows, [](const Row& row) { return row.how; });
  put_column<std::uint8_t>(out, rows, [](const Row& row) { return row.flags; });
  return std::move(out).take();
}

Result<std::vector<EpochFacts>> parse_epochs(ByteView raw, std::uint32_t rows) {
  TRY(check_row_count(rows, TableKind::kEpochs));
  ByteCursor in(raw);
  TRY_ASSIGN(const auto epoch_deltas, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto committed_deltas, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto captured_deltas, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto size_deltas, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto state_highs, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto state_lows, take_column<std::uint64_t>(in, rows));
  TRY_ASSIGN(const auto first_salts, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto second_salts, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto checkpoint_sequences, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto frames, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto pages_changed, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto commits_folded, take_column<std::uint32_t>(in, rows));
  TRY_ASSIGN(const auto how, take_column<std::uint8_t>(in, rows));
  TRY_ASSIGN(const auto flags, take_column<std::uint8_t>(in, rows));
  TRY(in.expect_end());

  std::vector<EpochFacts> epochs;
  epochs.reserve(rows);
  std::uint64_t epoch = 0;
  std::uint64_t committed = 0;
  std::uint64_t captured = 0;
  std::uint64_t size_bytes = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    epoch += epoch_deltas[i];
    committed += committed_deltas[i];
    captured += captured_deltas[i];
    size_bytes += size_deltas[i];
    const EpochFacts facts{
        .epoch = Epoch(epoch),
        .committed = UtcTime(static_cast<std::int64_t>(committed)),
        .captured = UtcTime(static_cast<std::int64_t>(captured)),
        .size_bytes = size_bytes,
        .state = StateHash(state_highs[i], state_lows[i]),
        .position = {first_salts[i], second_salts[i], checkpoint_sequences[i], frames[i]},
        .pages_changed = pages_changed[i],
        .commits_folded = commits_folded[i],
        .how = static_cast<Captured>(how[i]),
        .flags = flags[i]};
    if (facts.epoch == Epoch(0) || (i > 0 && facts.epoch <= epochs.back().epoch) ||
        (i > 0 && facts.committed < epochs.back().committed))
      return Error::corrupt(fmt::format("epoch {} runs backwards", epoch));
    if (facts.how > Captured::kPageDiff || (facts.flags & ~std::uint32_t{kEpochWalMode}) != 0)
      return Error::corrupt(
          fmt::format("epoch {} captured as {} with flags {:#x}", epoch, how[i], facts.flags));
    epochs.push_back(facts);
  }
  return epochs;
}

}  // namespace epochfs::engine::native
