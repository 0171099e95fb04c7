#include "engine/capture/grafeo_v2_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/storage/local_files.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kV2LogChunkBytes = 1024 * 1024;

// Bytes [offset, offset + size) of the file, in pieces.
Result<void> feed(const GrafeoLogFile& file, std::uint64_t offset, std::uint64_t size,
                  const GrafeoV2Log::Sink& sink) {
  Bytes chunk;
  while (size > 0) {
    chunk.resize(std::min<std::uint64_t>(kV2LogChunkBytes, size));
    TRY(local::read_exactly(file.file, offset, chunk, file.path));
    TRY(sink(chunk));
    offset += chunk.size();
    size -= chunk.size();
  }
  return {};
}

// The file offset of a position inside the segment.
std::uint64_t offset_in(const grafeo::V2SegmentHeader& header, grafeo::Lsn lsn) {
  return grafeo::kV2SegmentHeaderSize + (lsn.get() - header.first_lsn.get());
}

void add_group(const grafeo::V2Group& group, GrafeoV2Span& span) {
  if (!group.start) return;
  ++span.groups_with_records;
  const auto place = std::ranges::lower_bound(span.epochs, group.start->epoch);
  if (place == span.epochs.end() || *place != group.start->epoch)
    span.epochs.insert(place, group.start->epoch);
}

}  // namespace

Result<GrafeoV2Log::Segment> GrafeoV2Log::open_segment(GrafeoLogFile file,
                                                       const grafeo::DatabaseId& database) {
  const auto where = [&] { return file.path; };
  Bytes bytes(std::min<std::uint64_t>(file.size_bytes, grafeo::kV2SegmentHeaderSize));
  TRY(local::read_exactly(file.file, 0, bytes, file.path));
  TRY_ASSIGN(const auto header, with_context(grafeo::parse_v2_segment_header(bytes), where));
  if (header.first_lsn.get() != file.number)
    return Error::corrupt(fmt::format("{}: its header says that it begins at log position {}",
                                      file.path, header.first_lsn.get()));
  if (header.database_id != database)
    return Error::corrupt(file.path + ": of another database than the image");
  TRY_ASSIGN(const grafeo::Lsn end,
             with_context(grafeo::v2_segment_end(header.first_lsn, file.size_bytes), where));
  return Segment{std::move(file), header, end};
}

Result<GrafeoV2Log> GrafeoV2Log::open(GrafeoLogFiles log, const grafeo::DatabaseId& database,
                                      grafeo::Lsn image_lsn) {
  GrafeoV2Log opened;
  opened.begin_ = opened.end_ = image_lsn;
  // Whoever makes a segment first makes its header, in a second step.
  if (!log.files.empty() && log.files.back().size_bytes < grafeo::kV2SegmentHeaderSize)
    log.files.pop_back();
  std::ranges::reverse(log.files);
  for (GrafeoLogFile& file : log.files) {
    TRY_ASSIGN(Segment segment, open_segment(std::move(file), database));
    // Older ones are left from before a gap, and nobody needs them.
    if (!opened.segments_.empty() && segment.end != opened.begin_) break;
    opened.begin_ = segment.header.first_lsn;
    if (opened.segments_.empty()) opened.end_ = segment.end;
    opened.segments_.push_back(std::move(segment));
  }
  std::ranges::reverse(opened.segments_);
  if (opened.end_ < image_lsn) {  // all of it is in the image: what an empty log looks like
    opened.segments_.clear();
    opened.begin_ = opened.end_ = image_lsn;
  }
  return opened;
}

bool GrafeoV2Log::reaches(grafeo::Lsn lsn) const noexcept { return begin_ <= lsn && lsn <= end_; }

Result<void> GrafeoV2Log::scan(const Segment& segment, grafeo::Lsn start,
                               GrafeoV2Span& span) const {
  grafeo::V2Scanner scanner(start);
  std::vector<grafeo::V2Group> groups;
  const std::uint64_t offset = offset_in(segment.header, start);
  TRY(feed(segment.file, offset, segment.file.size_bytes - offset,
           [&](ByteView bytes) -> Result<void> {
             scanner.push(bytes, groups);
             for (const grafeo::V2Group& group : groups) add_group(group, span);
             groups.clear();
             return {};
           }));
  const grafeo::V2LogEnd end = scanner.finish();
  const bool is_unfinished = end.damage && end.damage->is_tail && &segment == &segments_.back();
  if (end.damage && !is_unfinished)
    return Error::corrupt(fmt::format("{}: {} at byte {}; check the database with Grafeo",
                                      segment.file.path, end.damage->reason,
                                      offset + end.damage->offset));
  if (end.end > start) {
    grafeo::V2SegmentHeader header = segment.header;
    header.first_lsn = start;
    span.pieces.push_back({&segment.file, header, offset, end.end.get() - start.get()});
  }
  span.end = end.end;
  return {};
}

Result<GrafeoV2Span> GrafeoV2Log::span_from(grafeo::Lsn start) const {
  if (!reaches(start))
    return Error::invalid(fmt::format("the log has no position {}", start.get()));
  GrafeoV2Span span;
  span.end = start;
  for (const Segment& segment : segments_) {
    if (segment.end <= start && &segment != &segments_.back()) continue;
    TRY(scan(segment, std::max(start, segment.header.first_lsn), span));
  }
  return span;
}

Result<Bytes> GrafeoV2Log::bytes_before(grafeo::Lsn lsn, std::size_t bytes_max) const {
  Bytes bytes;
  const auto holds = [&](const Segment& segment) {
    return segment.header.first_lsn < lsn && lsn <= segment.end;
  };
  const auto segment = std::ranges::find_if(segments_, holds);
  if (segment == segments_.end()) return bytes;
  const std::uint64_t there = lsn.get() - segment->header.first_lsn.get();
  bytes.resize(std::min<std::uint64_t>(there, bytes_max));
  TRY(local::read_exactly(segment->file.file, offset_in(segment->header, lsn) - bytes.size(), bytes,
                          segment->file.path));
  return bytes;
}

Result<void> GrafeoV2Log::read(const GrafeoV2Span::Piece& piece, const Sink& sink) {
  TRY(local::sync_file(piece.file->file, piece.file->path));
  TRY(sink(grafeo::encode_v2_segment_header(piece.header)));
  return feed(*piece.file, piece.offset, piece.size_bytes, sink);
}

}  // namespace epochfs::engine
