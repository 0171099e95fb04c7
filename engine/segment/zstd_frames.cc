#include "engine/segment/zstd_frames.h"

#include <algorithm>

#include "engine/segment/codec.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kFrameBytes = std::size_t{256} * 1024;
constexpr int kFrameLevel = 3;

}  // namespace

ZstdFrames::ZstdFrames(Sink sink)
    : sink_(std::move(sink)),
      pipeline_(
          0, 2 * thread_count(0),
          [](Piece&& piece) -> Result<Piece> {
            if (piece.is_stored) return std::move(piece);
            TRY_ASSIGN(piece.bytes, compress_frame(piece.bytes, 0, kFrameLevel));
            return std::move(piece);
          },
          [this](Piece&& piece) -> Result<void> {
            frames_.push_back({static_cast<std::uint32_t>(piece.bytes.size()), piece.plain_bytes});
            return sink_(piece.bytes);
          }) {}

Result<void> ZstdFrames::append(ByteView plain) {
  while (!plain.empty()) {
    const ByteView part = plain.first(std::min(plain.size(), kFrameBytes - piece_.size()));
    piece_.insert(piece_.end(), part.begin(), part.end());
    plain = plain.subspan(part.size());
    if (piece_.size() == kFrameBytes) TRY(push());
  }
  return {};
}

Result<void> ZstdFrames::append_stored(Bytes frame, std::uint32_t plain_bytes) {
  if (!piece_.empty()) TRY(push());
  return pipeline_.push({std::move(frame), plain_bytes, true});
}

Result<void> ZstdFrames::finish() {
  if (!piece_.empty()) TRY(push());
  return pipeline_.finish();
}

Result<void> ZstdFrames::push() {
  const auto plain_bytes = static_cast<std::uint32_t>(piece_.size());
  Piece piece{std::move(piece_), plain_bytes, false};
  piece_ = Bytes();
  return pipeline_.push(std::move(piece));
}

}  // namespace epochfs::engine
