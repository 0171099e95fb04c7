#include "engine/index/epoch_group.h"

#include "engine/index/index_rows.h"

namespace epochfs::engine::index_rows {
namespace {

// What follows the word that begins a row: the fields that are not as the epoch before says.
enum Changed : std::uint16_t {
  kNumber = 1U << 0U,     // further than the next number
  kCommitted = 1U << 1U,  // these as differences...
  kCaptured = 1U << 2U,
  kSize = 1U << 3U,
  kFrame = 1U << 4U,
  kChainLog = 1U << 5U,      // ... this one from where the epoch's own share would end
  kPagesChanged = 1U << 6U,  // and these as they are
  kCommitsFolded = 1U << 7U,
  kKind = 1U << 8U,
  kState = 1U << 9U,
  kLogPosition = 1U << 10U,
  kLogBytes = 1U << 11U,
  kSegments = 1U << 12U,
  kLayers = 1U << 13U,
};
constexpr std::uint16_t kKnown = (1U << 14U) - 1;

std::uint64_t bits_of(UtcTime time) noexcept { return static_cast<std::uint64_t>(time.get()); }

Result<UtcTime> take_time(ByteCursor& in, UtcTime before) {
  TRY_ASSIGN(const std::uint64_t bits, take_from(in, bits_of(before)));
  return UtcTime(static_cast<std::int64_t>(bits));
}

// What the engine's own log must be for a row to say nothing of it.
std::uint64_t expected_log(const EpochRow& before, const native::EpochFacts& facts) noexcept {
  return before.log_bytes + facts.log_bytes;
}

std::uint16_t changed_fields(const EpochRow& before, const EpochRow& row) noexcept {
  const native::EpochFacts& was = before.facts;
  const native::EpochFacts& is = row.facts;
  const auto when = [](bool differs, Changed field) {
    return static_cast<std::uint16_t>(differs ? field : 0);
  };
  return static_cast<std::uint16_t>(
      when(is.epoch.get() != was.epoch.get() + 1, kNumber) |
      when(is.committed != was.committed, kCommitted) |
      when(is.captured != was.captured, kCaptured) | when(is.size_bytes != was.size_bytes, kSize) |
      when(is.position.frame != was.position.frame, kFrame) |
      when(row.log_bytes != expected_log(before, is), kChainLog) |
      when(is.pages_changed != was.pages_changed, kPagesChanged) |
      when(is.commits_folded != was.commits_folded, kCommitsFolded) |
      when(is.how != was.how || is.flags != was.flags || is.basis != was.basis, kKind) |
      when(is.state != was.state, kState) |
      when(is.position.salt1 != was.position.salt1 || is.position.salt2 != was.position.salt2 ||
               is.position.checkpoint_sequence != was.position.checkpoint_sequence,
           kLogPosition) |
      when(is.log_bytes != was.log_bytes, kLogBytes) |
      when(row.segment != before.segment || row.base != before.base, kSegments) |
      when(row.layers != before.layers, kLayers));
}

Result<void> take_kind(ByteCursor& in, native::EpochFacts& facts) {
  TRY_ASSIGN(const auto kind, in.take<3>());
  const auto how = std::to_integer<std::uint8_t>(kind[0]);
  const auto basis = std::to_integer<std::uint8_t>(kind[2]);
  if (how > static_cast<std::uint8_t>(native::Captured::kImage))
    return Error::corrupt("index: how an epoch was captured");
  if (basis > static_cast<std::uint8_t>(native::Basis::kUnproven))
    return Error::corrupt("index: what an epoch rests on");
  facts.how = static_cast<native::Captured>(how);
  facts.flags = std::to_integer<std::uint8_t>(kind[1]);
  facts.basis = static_cast<native::Basis>(basis);
  return {};
}

Result<void> take_layers(ByteCursor& in, std::vector<LogLayer>& layers) {
  TRY_ASSIGN(const std::uint64_t count, in.take_varint());
  layers.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    LogLayer layer;
    TRY_ASSIGN(layer.segment, take_u32(in).map([](std::uint32_t at) { return SegmentNo(at); }));
    TRY_ASSIGN(layer.frame, take_u32(in));
    TRY_ASSIGN(layer.pages, take_u32(in));
    layers.push_back(layer);
  }
  return {};
}

EpochRow before_first(Epoch first) {
  EpochRow row;
  row.facts.epoch = Epoch(first.get() - 1);
  return row;
}

}  // namespace

void EpochGroup::append(const EpochRow& row) {
  if (empty()) {
    first_ = row.facts.epoch;
    before_ = before_first(first_);
  }
  const native::EpochFacts& was = before_.facts;
  const native::EpochFacts& is = row.facts;
  const std::uint16_t changed = changed_fields(before_, row);
  bytes_.put_le(changed);
  if ((changed & kNumber) != 0) bytes_.put_varint(is.epoch.get() - was.epoch.get());
  if ((changed & kCommitted) != 0)
    bytes_.put_varint(folded(bits_of(was.committed), bits_of(is.committed)));
  if ((changed & kCaptured) != 0)
    bytes_.put_varint(folded(bits_of(was.captured), bits_of(is.captured)));
  if ((changed & kSize) != 0) bytes_.put_varint(folded(was.size_bytes, is.size_bytes));
  if ((changed & kFrame) != 0) bytes_.put_varint(folded(was.position.frame, is.position.frame));
  if ((changed & kPagesChanged) != 0) bytes_.put_varint(is.pages_changed);
  if ((changed & kCommitsFolded) != 0) bytes_.put_varint(is.commits_folded);
  if ((changed & kKind) != 0) {
    bytes_.put_le(static_cast<std::uint8_t>(is.how));
    bytes_.put_le(is.flags);
    bytes_.put_le(static_cast<std::uint8_t>(is.basis));
  }
  if ((changed & kState) != 0) {
    bytes_.put_le(is.state.high());
    bytes_.put_le(is.state.low());
  }
  if ((changed & kLogPosition) != 0) {
    bytes_.put_le(is.position.salt1);
    bytes_.put_le(is.position.salt2);
    bytes_.put_varint(is.position.checkpoint_sequence);
  }
  if ((changed & kLogBytes) != 0) bytes_.put_varint(is.log_bytes);
  if ((changed & kChainLog) != 0)
    bytes_.put_varint(folded(expected_log(before_, is), row.log_bytes));
  if ((changed & kSegments) != 0) {
    bytes_.put_varint(row.segment.get());
    bytes_.put_varint(row.base.get());
  }
  if ((changed & kLayers) != 0) {
    bytes_.put_varint(row.layers.size());
    for (const LogLayer& layer : row.layers) {
      bytes_.put_varint(layer.segment.get());
      bytes_.put_varint(layer.frame);
      bytes_.put_varint(layer.pages);
    }
  }
  before_ = row;
  ++rows_;
}

void EpochGroup::clear() {
  bytes_.clear();
  rows_ = 0;
}

Bytes EpochGroup::bytes(std::optional<Epoch> behind) const {
  ByteWriter out;
  out.reserve(bytes_.size() + 11);
  out.put_le(static_cast<std::uint8_t>(leads_ ? 1 : 0));
  // Nothing lies before epoch 0.
  out.put_varint(behind ? behind->get() : 0);
  out.put(bytes_.view());
  return std::move(out).take();
}

EpochGroupReader::EpochGroupReader(Epoch first, bool leads, std::optional<Epoch> behind,
                                   ByteCursor in)
    : in_(in), leads_(leads), behind_(behind), row_(before_first(first)) {}

Result<EpochGroupReader> EpochGroupReader::open(Epoch first, ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto leads, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const std::uint64_t behind, in.take_varint());
  return EpochGroupReader(first, leads != 0,
                          behind > 0 ? std::optional(Epoch(behind)) : std::nullopt, in);
}

Result<const EpochRow*> EpochGroupReader::next() {
  if (in_.left() == 0) return nullptr;
  TRY(read_row());
  return &row_;
}

Result<void> EpochGroupReader::read_row() {
  native::EpochFacts& facts = row_.facts;
  TRY_ASSIGN(const auto changed, in_.take_le<std::uint16_t>());
  if ((changed & ~kKnown) != 0) return Error::corrupt("index: what changed in an epoch");
  std::uint64_t step = 1;
  if ((changed & kNumber) != 0) {
    TRY_ASSIGN(step, in_.take_varint());
  }
  facts.epoch = Epoch(facts.epoch.get() + step);
  if ((changed & kCommitted) != 0) {
    TRY_ASSIGN(facts.committed, take_time(in_, facts.committed));
  }
  if ((changed & kCaptured) != 0) {
    TRY_ASSIGN(facts.captured, take_time(in_, facts.captured));
  }
  if ((changed & kSize) != 0) {
    TRY_ASSIGN(facts.size_bytes, take_from(in_, facts.size_bytes));
  }
  if ((changed & kFrame) != 0) {
    TRY_ASSIGN(const std::uint64_t frame, take_from(in_, facts.position.frame));
    facts.position.frame = static_cast<std::uint32_t>(frame);
  }
  if ((changed & kPagesChanged) != 0) {
    TRY_ASSIGN(facts.pages_changed, take_u32(in_));
  }
  if ((changed & kCommitsFolded) != 0) {
    TRY_ASSIGN(facts.commits_folded, take_u32(in_));
  }
  if ((changed & kKind) != 0) TRY(take_kind(in_, facts));
  if ((changed & kState) != 0) {
    TRY_ASSIGN(const auto high, in_.take_le<std::uint64_t>());
    TRY_ASSIGN(const auto low, in_.take_le<std::uint64_t>());
    facts.state = StateHash(high, low);
  }
  if ((changed & kLogPosition) != 0) {
    TRY_ASSIGN(facts.position.salt1, in_.take_le<std::uint32_t>());
    TRY_ASSIGN(facts.position.salt2, in_.take_le<std::uint32_t>());
    TRY_ASSIGN(facts.position.checkpoint_sequence, take_u32(in_));
  }
  if ((changed & kLogBytes) != 0) {
    TRY_ASSIGN(facts.log_bytes, in_.take_varint());
  }
  row_.log_bytes = expected_log(row_, facts);
  if ((changed & kChainLog) != 0) {
    TRY_ASSIGN(row_.log_bytes, take_from(in_, row_.log_bytes));
  }
  if ((changed & kSegments) != 0) {
    TRY_ASSIGN(row_.segment, take_u32(in_).map([](std::uint32_t at) { return SegmentNo(at); }));
    TRY_ASSIGN(row_.base, take_u32(in_).map([](std::uint32_t at) { return SegmentNo(at); }));
  }
  if ((changed & kLayers) != 0) TRY(take_layers(in_, row_.layers));
  return {};
}

}  // namespace epochfs::engine::index_rows
