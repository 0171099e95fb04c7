#include "engine/segment/segment_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/segment/codec.h"

namespace epochfs::engine {
namespace {

using native::Footer;
using native::TableKind;

constexpr std::uint64_t kPieceBytes = 1024 * 1024;
constexpr std::uint64_t kTablesInMemoryMax = 16 * 1024 * 1024;

Result<void> check_tables(const TailedBlob& blob, const Footer& footer, std::uint64_t object_bytes,
                          const Sha256Digest* expected) {
  const std::uint64_t tables_end = footer.tables_offset + footer.tables_bytes;
  Xxh3 hash;
  Sha256 sha256;
  Bytes piece;
  for (std::uint64_t at = footer.tables_offset; at < object_bytes; at += piece.size()) {
    const std::uint64_t end = at < tables_end ? tables_end : object_bytes;
    piece.resize(std::min(kPieceBytes, end - at));
    TRY(blob.read(at, piece));
    if (at < tables_end) hash.update(piece);
    if (expected != nullptr) sha256.update(piece);
  }
  if (hash.value() != footer.tables_hash) return Error::corrupt("tables do not match their hash");
  if (expected != nullptr && sha256.finish() != *expected)
    return Error::corrupt("tables are not those that the manifest names");
  return {};
}

bool has_blocks(const Footer& footer) { return footer.kind != native::SegmentKind::kIncremental; }

// Calls `take(header, columns)` for each chunk of one kind; the others are stepped over. Unit
// tables come first, then epochs, and they fill their place exactly.
template <class Take>
Result<void> walk_tables(const TailedBlob& blob, const Footer& footer, TableKind wanted,
                         const Take& take) {
  const TableKind unit_kind = has_blocks(footer) ? TableKind::kBlocks : TableKind::kRecords;
  const std::uint64_t end = footer.tables_offset + footer.tables_bytes;
  bool at_epochs = false;
  std::uint64_t at = footer.tables_offset;
  while (at < end) {
    if (end - at < native::kTableHeaderSize) return Error::corrupt("half a table");
    Bytes bytes(native::kTableHeaderSize);
    TRY(blob.read(at, bytes));
    TRY_ASSIGN(const native::TableHeader header, native::parse_table_header(bytes));
    at += bytes.size();
    if (header.stored_bytes > end - at) return Error::corrupt("half a table");
    at_epochs = at_epochs || header.kind == TableKind::kEpochs;
    if (header.kind != (at_epochs ? TableKind::kEpochs : unit_kind))
      return Error::corrupt("tables out of order");
    if (header.kind == wanted) {
      bytes.resize(header.stored_bytes);
      TRY(blob.read(at, bytes));
      Bytes columns(header.raw_bytes);
      TRY(decompress_frame(bytes, {}, columns));
      TRY(take(header, ByteView(columns)));
    }
    at += header.stored_bytes;
  }
  return {};
}

// Where the next unit begins, as the tables tell it: from the signature on, without a gap.
class UnitPlaces {
 public:
  explicit UnitPlaces(const Footer& footer) : footer_(footer) {}

  Result<std::uint64_t> next(std::uint32_t stored_bytes, std::uint64_t versions) {
    if (stored_bytes > footer_.tables_offset - end_)
      return Error::corrupt("units reach into the tables");
    const std::uint64_t offset = end_;
    end_ += stored_bytes;
    ++units_;
    versions_ += versions;
    return offset;
  }
  [[nodiscard]] Result<void> check_end() const {
    if (end_ != footer_.tables_offset || units_ != footer_.unit_count ||
        versions_ != footer_.version_count)
      return Error::corrupt(
          fmt::format("{} units with {} versions up to byte {}, not as the footer "
                      "counts them",
                      units_, versions_, end_));
    return {};
  }

 private:
  const Footer& footer_;
  std::uint64_t end_ = native::kSignatureSize;
  std::uint64_t units_ = 0;
  std::uint64_t versions_ = 0;
};

// The epochs of a segment one after another: all of them, none twice.
class EpochLine {
 public:
  EpochLine(const Footer& footer, PageSize page_size) : footer_(footer), page_size_(page_size) {}

  Result<void> add(const native::EpochFacts& facts) {
    const bool full = footer_.kind == native::SegmentKind::kFull;
    const std::uint64_t first = full ? footer_.end_epoch.get() : footer_.start_epoch.get();
    if (count_ >= footer_.epoch_count || facts.epoch.get() != first + count_ ||
        (count_ > 0 && facts.committed < committed_) ||
        page_size_.pages_in(facts.size_bytes) > kPageCountMax ||
        (full && facts.size_bytes != footer_.image_bytes))
      return Error::corrupt(fmt::format("epoch {} does not fit here", facts.epoch.get()));
    committed_ = facts.committed;
    ++count_;
    return {};
  }
  [[nodiscard]] Result<void> check_end() const {
    if (count_ != footer_.epoch_count)
      return Error::corrupt(fmt::format("{} epochs of {}", count_, footer_.epoch_count));
    return {};
  }

 private:
  const Footer& footer_;
  PageSize page_size_;
  std::uint64_t count_ = 0;
  UtcTime committed_;
};

}  // namespace

Result<SegmentReader> SegmentReader::open(std::shared_ptr<const Blob> blob,
                                          const Sha256Digest* tables_sha256) {
  TRY_ASSIGN(TailedBlob tailed, TailedBlob::open(std::move(blob)));
  return open(std::move(tailed), tables_sha256);
}

Result<SegmentReader> SegmentReader::open(TailedBlob tailed, const Sha256Digest* tables_sha256) {
  const std::uint64_t size_bytes = tailed.blob().size_bytes();
  if (size_bytes < native::kSignatureSize + native::kFooterSize)
    return Error::corrupt(fmt::format("a segment of {} bytes", size_bytes));
  Bytes frame(native::kSignatureSize);
  TRY(tailed.read(0, frame));
  TRY(native::check_signature(frame));
  frame.resize(native::kFooterSize);
  TRY(tailed.read(size_bytes - native::kFooterSize, frame));
  TRY_ASSIGN(const Footer footer, native::parse_footer(frame, size_bytes));
  if (size_bytes - footer.tables_offset <= kTablesInMemoryMax)
    TRY(tailed.reach_back_to(footer.tables_offset));
  TRY(check_tables(tailed, footer, size_bytes, tables_sha256));
  return SegmentReader(std::move(tailed), footer);
}

Result<void> SegmentReader::visit_blocks(const BlockVisitor& visit) const {
  if (!has_blocks(footer_)) return Error::invalid("an incremental's blocks");
  const std::uint32_t pages_per_block = footer_.block_size / footer_.page_size;
  std::uint64_t pages_left = footer_.version_count;
  UnitPlaces places(footer_);
  TRY(walk_tables(blob_, footer_, TableKind::kBlocks,
                  [&](const native::TableHeader& header, ByteView columns) -> Result<void> {
                    TRY_ASSIGN(const auto rows, native::parse_blocks(columns, header.rows,
                                                                     pages_per_block, pages_left));
                    for (const native::BlockRow& row : rows) {
                      TRY_ASSIGN(const std::uint64_t offset,
                                 places.next(row.stored_bytes, row.page_hashes.size()));
                      pages_left -= row.page_hashes.size();
                      TRY(visit(offset, row));
                    }
                    return {};
                  }));
  return places.check_end();
}

Result<void> SegmentReader::visit_records(const RecordVisitor& visit) const {
  if (has_blocks(footer_)) return Error::invalid("records of a segment that has blocks");
  UnitPlaces places(footer_);
  PageNo page;
  Epoch newest;
  TRY(walk_tables(
      blob_, footer_, TableKind::kRecords,
      [&](const native::TableHeader& header, ByteView columns) -> Result<void> {
        TRY_ASSIGN(const auto rows, native::parse_records(columns, header.rows, footer_.start_epoch,
                                                          footer_.end_epoch));
        for (const native::RecordRow& row : rows) {
          // Inside a chunk its parser has looked; here chunks meet.
          if (row.page < page || (row.page == page && row.epochs.front() <= newest))
            return Error::corrupt("records out of order");
          page = row.page;
          newest = row.epochs.back();
          TRY_ASSIGN(const std::uint64_t offset, places.next(row.stored_bytes, row.epochs.size()));
          TRY(visit(offset, row));
        }
        return {};
      }));
  return places.check_end();
}

Result<void> SegmentReader::visit_epochs(const EpochVisitor& visit) const {
  TRY_ASSIGN(const PageSize page_size, PageSize::from(footer_.page_size));
  EpochLine line(footer_, page_size);
  TRY(walk_tables(blob_, footer_, TableKind::kEpochs,
                  [&](const native::TableHeader& header, ByteView columns) -> Result<void> {
                    TRY_ASSIGN(const auto epochs, native::parse_epochs(columns, header.rows));
                    for (const native::EpochFacts& facts : epochs) {
                      TRY(line.add(facts));
                      TRY(visit(facts));
                    }
                    return {};
                  }));
  return line.check_end();
}

}  // namespace epochfs::engine
