#include "engine/source/grafeo_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "engine/formats/grafeo/v2_frames.h"
#include "engine/formats/grafeo/v2_segment.h"

namespace epochfs::engine {
namespace {

using grafeo::Generation;

constexpr std::size_t kExtentsAtOnce = 256;

std::uint64_t range_end(ByteRange range) { return range.begin + range.size; }

}  // namespace

std::string GrafeoEpoch::log_name() const {
  return base.generation == Generation::kV1 ? "wal_00000000.log"
                                            : grafeo::v2_segment_name(first_lsn);
}

Bytes GrafeoEpoch::log_end() const {
  if (base.generation == Generation::kV1 || !has_log()) return {};
  const std::uint64_t frames = row.log_bytes - grafeo::kV2SegmentHeaderSize;
  const auto barrier = grafeo::encode_v2_barrier(grafeo::Lsn(first_lsn.get() + frames));
  return {barrier.begin(), barrier.end()};
}

GrafeoSource::GrafeoSource(std::shared_ptr<const Storage> storage, std::shared_ptr<PageIndex> index,
                           GrafeoPlace place)
    : storage_(std::move(storage)), index_(std::move(index)), place_(std::move(place)) {}

Result<GrafeoEpoch> GrafeoSource::context(DatabaseNo database, Epoch epoch) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto row, reader.epoch(database, epoch));
  if (!row)
    return Error::no_such_epoch(fmt::format("{} has no epoch {}", place_.database, epoch.get()));
  GrafeoEpoch at{database, *row, {}, {}, {}};
  TRY_ASSIGN(at.base, reader.segment(database, row->base));
  TRY_ASSIGN(SegmentRow segment, reader.segment(database, row->segment));
  at.segment = std::move(segment.filename);
  if (!at.has_log() || at.base.generation == Generation::kV1) return at;
  TRY_ASSIGN(const auto first, reader.log_extents(database, row->base, {0, 1}, 1));
  if (first.empty() || row->log_bytes < grafeo::kV2SegmentHeaderSize)
    return Error::corrupt(fmt::format("index: epoch {} without its log", epoch.get()));
  at.first_lsn = first.front().first_lsn;
  return at;
}

Result<std::shared_ptr<const Blob>> GrafeoSource::open(const SegmentRow& segment) const {
  auto blob = storage_->open(place_.object(segment.filename));
  if (!blob && blob.error().code == Code::kNotFound)
    return Error::corrupt(fmt::format("{} is missing", segment.filename));
  if (blob && (*blob)->version() != segment.version)
    return Error::corrupt(fmt::format("{} changed since it was indexed", segment.filename));
  return blob;
}

Result<Piece> GrafeoSource::read_object(const SegmentRow& segment, ByteRange range) const {
  TRY_ASSIGN(const auto blob, open(segment));
  const auto bytes = std::make_shared<Bytes>(range.size);
  TRY(blob->read(range.begin, *bytes));
  bytes_read_.fetch_add(range.size, std::memory_order_relaxed);
  return Piece{bytes, *bytes};
}

Result<Pieces> GrafeoSource::read_image(const GrafeoEpoch& at, ByteRange range) const {
  if (range.size == 0) return Pieces();
  TRY_ASSIGN(Piece piece, read_object(at.base, range));
  return Pieces{std::move(piece)};
}

Result<Pieces> GrafeoSource::read_log(const GrafeoEpoch& at, ByteRange range) const {
  assert(range_end(range) <= at.log_file_bytes());
  Pieces pieces;
  const std::uint64_t stored_end = std::min(range_end(range), at.row.log_bytes);
  std::uint64_t next = range.begin;
  while (next < stored_end) {
    TRY_ASSIGN(const auto found, extents(at, {next, stored_end - next}));
    for (const LogExtent& extent : found) {
      TRY_ASSIGN(const SegmentRow segment, segment_row(at, extent));
      const std::uint64_t skipped = next - extent.begin;
      const std::uint64_t size = std::min(stored_end - next, extent.range.size - skipped);
      TRY_ASSIGN(Piece piece, read_object(segment, {extent.range.begin + skipped, size}));
      pieces.push_back(std::move(piece));
      next += size;
    }
  }
  if (next < range_end(range)) {
    const auto end = std::make_shared<const Bytes>(at.log_end());
    pieces.push_back(
        {end, ByteView(*end).subspan(next - at.row.log_bytes, range_end(range) - next)});
  }
  return pieces;
}

Result<void> GrafeoSource::visit_log(const GrafeoEpoch& at, const ExtentVisitor& visit) const {
  std::uint64_t next = 0;
  while (next < at.row.log_bytes) {
    TRY_ASSIGN(const auto found, extents(at, {next, at.row.log_bytes - next}));
    for (LogExtent extent : found) {
      TRY_ASSIGN(const SegmentRow segment, segment_row(at, extent));
      extent.range.size = std::min(extent.range.size, at.row.log_bytes - extent.begin);
      TRY(visit(extent, segment));
      next = extent.begin + extent.range.size;
    }
  }
  return {};
}

// At least the piece that holds the first byte of the range, and those right behind it.
Result<std::vector<LogExtent>> GrafeoSource::extents(const GrafeoEpoch& at, ByteRange range) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(auto found, reader.log_extents(at.database, at.row.base, range, kExtentsAtOnce));
  std::uint64_t next = range.begin;
  for (const LogExtent& extent : found) {
    const bool fits = extent.begin == next || (next == range.begin && extent.begin < next);
    if (!fits) return Error::corrupt(fmt::format("index: no log at {}", next));
    next = extent.begin + extent.range.size;
  }
  // A history that was taken in anew has another number, and the old rows are gone.
  if (found.empty())
    return Error::no_such_epoch(
        fmt::format("the history of {} was replaced; open the epoch again", place_.database));
  return found;
}

Result<SegmentRow> GrafeoSource::segment_row(const GrafeoEpoch& at, const LogExtent& extent) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  return reader.segment(at.database, extent.segment);
}

}  // namespace epochfs::engine
