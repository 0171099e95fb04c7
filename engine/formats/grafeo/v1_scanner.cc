#include "engine/formats/grafeo/v1_scanner.h"

#include <fmt/format.h>

#include <algorithm>

namespace epochfs::engine::grafeo {

void V1Scanner::push(ByteView bytes, std::vector<V1EpochAdvance>& found) {
  while (!bytes.empty() && !damage_.has_damage()) {
    const std::size_t taken = take(bytes, found);
    bytes = bytes.subspan(taken);
  }
  damage_.watch(bytes);
  position_ += bytes.size();
}

std::size_t V1Scanner::take(ByteView bytes, std::vector<V1EpochAdvance>& found) {
  std::size_t taken = 0;
  switch (part_) {
    case Part::kLength:
      taken = length_.fill(bytes);
      position_ += taken;
      if (length_.is_full()) begin_payload();
      break;
    case Part::kPayload:
      taken = std::min<std::size_t>(bytes.size(), payload_left_);
      position_ += taken;
      take_payload(bytes.first(taken));
      break;
    case Part::kChecksum:
      taken = checksum_.fill(bytes);
      position_ += taken;
      if (checksum_.is_full()) end_frame(found);
      break;
  }
  return taken;
}

void V1Scanner::begin_payload() {
  payload_bytes_ = load_le<std::uint32_t>(length_.whole());
  if (payload_bytes_ == 0) {
    // Its checksum would be right if all of it were zero, but nobody writes such a frame.
    damage_.record(frame_begin_, position_ + kV1ChecksumSize, true, "a frame without a record");
    return;
  }
  if (payload_bytes_ > kV1PayloadBytesMax) {
    damage_.record(frame_begin_, frame_begin_, false,
                   fmt::format("a frame of {} bytes", payload_bytes_));
    return;
  }
  payload_left_ = payload_bytes_;
  part_ = Part::kPayload;
}

void V1Scanner::take_payload(ByteView bytes) {
  crc_.update(bytes);
  payload_start_.fill(bytes);
  payload_left_ -= static_cast<std::uint32_t>(bytes.size());
  if (payload_left_ == 0) part_ = Part::kChecksum;
}

void V1Scanner::end_frame(std::vector<V1EpochAdvance>& found) {
  if (auto sound = check_frame(found); !sound) {
    damage_.record(frame_begin_, position_, false, std::move(sound).error().text);
    return;
  }
  frame_begin_ = position_;
  length_.clear();
  payload_start_.clear();
  checksum_.clear();
  crc_ = Crc32();
  part_ = Part::kLength;
}

Result<void> V1Scanner::check_frame(std::vector<V1EpochAdvance>& found) {
  if (load_le<std::uint32_t>(checksum_.whole()) != crc_.value())
    return Error::corrupt(frame_begin_ == 0
                              ? "the first frame's checksum differs: damaged, or an encrypted log"
                              : "a frame's checksum differs");
  const auto kind = std::to_integer<std::uint8_t>(payload_start_.view().front());
  if (kind < static_cast<std::uint8_t>(V1Record::kCommit)) {
    ++counts_.data_records;
    return {};
  }
  return count_control(static_cast<V1Record>(kind), found);
}

Result<void> V1Scanner::count_control(V1Record kind, std::vector<V1EpochAdvance>& found) {
  if (kind > V1Record::kEpochAdvance || payload_bytes_ > kControlBytesMax)
    return Error::corrupt(fmt::format("a record of kind {} with {} bytes",
                                      static_cast<unsigned>(kind), payload_bytes_));
  ByteCursor in(payload_start_.view().subspan(1));
  TRY_ASSIGN(const std::uint64_t number, take_number(in));
  TRY(in.expect_end());
  if (kind == V1Record::kCommit) ++counts_.commits;
  if (kind == V1Record::kAbort) ++counts_.aborts;
  if (kind == V1Record::kEpochAdvance) {
    found.push_back({Epoch(number), position_, counts_});
    counts_ = {};
  }
  return {};
}

V1LogEnd V1Scanner::finish() const {
  V1LogEnd end{frame_begin_, counts_, damage_.at_end(position_)};
  if (!end.damage && position_ != frame_begin_)
    end.damage = LogDamage{
        frame_begin_, fmt::format("a frame is cut after {} bytes", position_ - frame_begin_), true};
  return end;
}

}  // namespace epochfs::engine::grafeo
