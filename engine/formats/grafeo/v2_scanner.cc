#include "engine/formats/grafeo/v2_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace epochfs::engine::grafeo {

void V2Scanner::RecordWalk::begin_frame(bool is_first) noexcept {
  header_.clear();
  skip_ = is_first ? kV2SyncedLsnSize : 0;
  if (is_first) count_ = 0;
}

void V2Scanner::RecordWalk::walk(ByteView payload) noexcept {
  while (!payload.empty()) {
    std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, payload.size()));
    if (skip_ > 0) {
      skip_ -= taken;
    } else {
      taken = header_.fill(payload);
      if (header_.is_full()) begin_record();
    }
    payload = payload.subspan(taken);
  }
}

void V2Scanner::RecordWalk::begin_record() noexcept {
  skip_ = load(header_.whole(), v2_record_layout::kBytes);
  header_.clear();
  ++count_;
}

bool V2Scanner::RecordWalk::is_between_records() const noexcept {
  return skip_ == 0 && header_.view().empty();
}

void V2Scanner::push(ByteView bytes, std::vector<V2Group>& found) {
  while (!bytes.empty() && !damage_.has_damage()) {
    bytes = bytes.subspan(take(bytes));
    if (header_.is_full() && payload_left_ == 0 && !damage_.has_damage()) end_frame(found);
  }
  damage_.watch(bytes);
  position_ += bytes.size();
}

std::size_t V2Scanner::take(ByteView bytes) {
  if (!header_.is_full()) {
    const std::size_t taken = header_.fill(bytes);
    position_ += taken;
    if (header_.is_full()) begin_frame();
    return taken;
  }
  const std::size_t taken = std::min<std::size_t>(bytes.size(), payload_left_);
  position_ += taken;
  take_payload(bytes.first(taken));
  return taken;
}

void V2Scanner::begin_frame() {
  using namespace v2_frame_layout;
  const auto header = header_.whole();
  if (auto sound = check_header(); !sound) {
    const bool is_zero = std::ranges::all_of(header, [](std::byte b) { return b == std::byte{0}; });
    damage_.record(frame_begin_, frame_begin_, is_zero, std::move(sound).error().text);
    return;
  }
  payload_left_ = load(header, kPayloadBytes);
  payload_start_.clear();
  crc_ = begin_v2_frame_crc(header);
  records_.begin_frame(has_flag(kV2First));
}

void V2Scanner::take_payload(ByteView bytes) {
  crc_.update(bytes);
  payload_start_.fill(bytes);
  records_.walk(bytes);
  payload_left_ -= static_cast<std::uint32_t>(bytes.size());
}

// What can be told before the payload has passed, so that nothing depends on a wild length.
Result<void> V2Scanner::check_header() const {
  using namespace v2_frame_layout;
  const auto header = header_.whole();
  const std::uint64_t lsn = first_lsn_.get() + frame_begin_;
  const std::uint32_t payload_bytes = load(header, kPayloadBytes);
  if (load(header, kLsn) != lsn)
    return Error::corrupt(
        fmt::format("a frame says that it is at {}, but it is at {}", load(header, kLsn), lsn));
  if (payload_bytes > kV2PayloadBytesMax)
    return Error::corrupt(fmt::format("a frame of {} bytes", payload_bytes));
  const std::uint64_t frame_bytes = kV2FrameHeaderSize + std::uint64_t{payload_bytes};
  if (frame_bytes > std::numeric_limits<std::uint64_t>::max() - lsn)
    return Error::corrupt("a frame beyond the end of all positions");
  return {};
}

void V2Scanner::end_frame(std::vector<V2Group>& found) {
  if (auto sound = check_frame(); !sound) {
    damage_.record(frame_begin_, position_, false, std::move(sound).error().text);
    return;
  }
  frame_begin_ = position_;
  in_group_ = !has_flag(kV2Last);
  header_.clear();
  if (in_group_) return;
  group_end_ = position_;
  group_.end = lsn_at(position_);
  group_.record_count = records_.count() - (group_.start ? 1 : 0);
  found.push_back(group_);
}

Result<void> V2Scanner::check_frame() {
  using namespace v2_frame_layout;
  const auto header = header_.whole();
  if (load(header, kChecksum) != crc_.value()) return Error::corrupt("a frame's checksum differs");
  if ((load(header, kFlags) & ~(kV2First | kV2Last)) != 0)
    return Error::corrupt(fmt::format("a frame with the flags {:#x}", load(header, kFlags)));
  if (has_flag(kV2First) == in_group_)
    return Error::corrupt(in_group_ ? "a group begins within another" : "a frame outside a group");
  if (!records_.is_between_records())
    return Error::corrupt("a record that its frame does not hold");
  if (!in_group_) return begin_group();
  if (load(header, kTransaction) != transaction_.get())
    return Error::corrupt("a frame of another transaction in a group");
  return {};
}

Result<void> V2Scanner::begin_group() {
  ByteCursor in(payload_start_.view());
  TRY_ASSIGN(const auto synced_lsn, in.take_le<std::uint64_t>());
  group_ = V2Group();
  group_.begin = lsn_at(frame_begin_);
  group_.synced_lsn = Lsn(synced_lsn);
  transaction_ = TransactionId(load(header_.whole(), v2_frame_layout::kTransaction));
  if (group_.synced_lsn > group_.begin)
    return Error::corrupt(
        fmt::format("a group at {} that was synced up to {}", group_.begin.get(), synced_lsn));
  if (in.left() == 0 && has_flag(kV2Last)) return {};  // an empty group
  const auto where = [] { return std::string("first record of a group"); };
  TRY_ASSIGN(const auto record, with_context(in.take<kV2RecordHeaderSize>(), where));
  if (load(record, v2_record_layout::kKind) != kV2GroupBeginKind)
    return Error::corrupt("a group that does not begin with a GroupBegin record");
  TRY_ASSIGN(
      group_.start,
      with_context(in.take(load(record, v2_record_layout::kBytes)).and_then(parse_v2_group_begin),
                   where));
  return {};
}

V2LogEnd V2Scanner::finish() const {
  V2LogEnd end{lsn_at(group_end_), damage_.at_end(position_)};
  if (end.damage || position_ == group_end_) return end;
  std::string reason = position_ == frame_begin_
                           ? "the last frame of a group is missing"
                           : fmt::format("a frame is cut after {} bytes", position_ - frame_begin_);
  end.damage = LogDamage{frame_begin_, std::move(reason), true};
  return end;
}

bool V2Scanner::has_flag(std::uint8_t flag) const noexcept {
  return (load(header_.whole(), v2_frame_layout::kFlags) & flag) != 0;
}

Lsn V2Scanner::lsn_at(std::uint64_t position) const noexcept {
  return Lsn(first_lsn_.get() + position);
}

}  // namespace epochfs::engine::grafeo
