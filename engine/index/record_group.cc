#include "engine/index/record_group.h"

#include <algorithm>

#include "engine/index/index_rows.h"

namespace epochfs::engine::index_rows {
namespace {

// Four of them, with their keys, fill a page of LMDB's.
constexpr std::size_t kChunkBytes = 960;

// The byte that begins an entry: the page's slot, and what follows.
constexpr std::uint8_t kSlotMask = kGroupPages - 1;
constexpr std::uint8_t kOtherSegment = 0x10;
constexpr std::uint8_t kMoreEpochs = 0x20;
static_assert(kGroupPages == kOtherSegment);

}  // namespace

Result<RecordChunk> RecordChunk::from(Epoch first, ByteView bytes) {
  RecordChunk chunk(first);
  TRY_ASSIGN(RecordChunkReader reader, RecordChunkReader::open(first, bytes));
  chunk.carried_ = reader.carried();
  const std::size_t all_bytes = reader.left();
  chunk.entries_.put(bytes.last(all_bytes));
  for (;;) {
    TRY_ASSIGN(const RecordEntry* const entry, reader.next());
    if (entry == nullptr) break;
    if (reader.is_carried()) chunk.carried_bytes_ = all_bytes - reader.left();
    chunk.newest_.at(entry->slot) = *entry;
    chunk.last_ = entry->epochs.front();
  }
  chunk.before_ = reader.before();
  return chunk;
}

RecordChunk RecordChunk::next(Epoch first) const {
  RecordChunk chunk(first);
  chunk.last_ = last_;
  for (const std::optional<RecordEntry>& newest : newest_) {
    if (!newest) continue;
    RecordEntry carried = *newest;
    // Nobody asks this chunk for what is older than its beginning.
    const auto behind = std::ranges::upper_bound(carried.epochs, first);
    if (behind != carried.epochs.begin())
      carried.epochs.erase(carried.epochs.begin(), std::prev(behind));
    chunk.put(carried);
    ++chunk.carried_;
  }
  chunk.carried_bytes_ = chunk.entries_.size();
  return chunk;
}

Result<void> RecordChunk::append(const RecordEntry& entry) {
  if (entry.epochs.empty() || entry.epochs.front() < std::max(first_, last_))
    return Error::invalid("index: records out of order");
  put(entry);
  last_ = entry.epochs.front();
  return {};
}

void RecordChunk::put(const RecordEntry& entry) {
  const bool other_segment = entry.segment != before_.segment;
  const bool more_epochs = entry.epochs.size() > 1;
  entries_.put_le(static_cast<std::uint8_t>(entry.slot | (other_segment ? kOtherSegment : 0U) |
                                            (more_epochs ? kMoreEpochs : 0U)));
  entries_.put_varint(folded(before_.first.get(), entry.epochs.front().get()));
  if (other_segment) {
    entries_.put_varint(folded(before_.segment.get(), entry.segment.get()));
    before_.end = 0;
  }
  entries_.put_varint(folded(before_.end, entry.offset));
  entries_.put_varint(entry.stored_bytes);
  if (more_epochs) entries_.put_varint(entry.epochs.size() - 1);
  for (std::size_t i = 1; i < entry.epochs.size(); ++i)
    entries_.put_varint(entry.epochs[i].get() - entry.epochs[i - 1].get());
  before_ = {entry.epochs.front(), entry.segment, entry.offset + entry.stored_bytes};
  newest_.at(entry.slot) = entry;
}

bool RecordChunk::is_full() const noexcept {
  return entries_.size() >= std::max(kChunkBytes, 2 * carried_bytes_);
}

Bytes RecordChunk::bytes(std::optional<Epoch> behind) const {
  ByteWriter out;
  out.reserve(entries_.size() + 12);
  // Behind something there is no chunk that begins at 0.
  out.put_varint(behind ? behind->get() : 0);
  out.put_varint(carried_);
  out.put(entries_.view());
  return std::move(out).take();
}

Result<RecordChunkReader> RecordChunkReader::open(Epoch first, ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const std::uint64_t behind, in.take_varint());
  TRY_ASSIGN(const std::uint64_t carried, in.take_varint());
  if (carried > kGroupPages) return Error::corrupt("index: a chunk of records");
  return RecordChunkReader(first, behind > 0 ? std::optional(Epoch(behind)) : std::nullopt, carried,
                           in);
}

Result<const RecordEntry*> RecordChunkReader::next() {
  if (in_.left() == 0) return nullptr;
  TRY(read_entry());
  ++taken_;
  return &entry_;
}

Result<void> RecordChunkReader::read_entry() {
  TRY_ASSIGN(const auto head, in_.take_le<std::uint8_t>());
  entry_.slot = head & kSlotMask;
  TRY_ASSIGN(std::uint64_t epoch, take_from(in_, before_.first.get()));
  entry_.segment = before_.segment;
  if ((head & kOtherSegment) != 0) {
    TRY_ASSIGN(const std::uint64_t segment, take_from(in_, before_.segment.get()));
    entry_.segment = SegmentNo(static_cast<std::uint32_t>(segment));
    before_.end = 0;
  }
  TRY_ASSIGN(entry_.offset, take_from(in_, before_.end));
  TRY_ASSIGN(entry_.stored_bytes, take_u32(in_));
  entry_.epochs.assign(1, Epoch(epoch));
  std::uint64_t more = 0;
  if ((head & kMoreEpochs) != 0) {
    TRY_ASSIGN(more, in_.take_varint());
  }
  for (std::uint64_t i = 0; i < more; ++i) {
    TRY_ASSIGN(const std::uint64_t step, in_.take_varint());
    epoch += step;
    entry_.epochs.emplace_back(epoch);
  }
  before_ = {entry_.epochs.front(), entry_.segment, entry_.offset + entry_.stored_bytes};
  return {};
}

}  // namespace epochfs::engine::index_rows
