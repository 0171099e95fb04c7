#include "fs/open_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace epochfs::fs {

using engine::ByteRange;
using engine::Pieces;
using engine::Result;

namespace {

ByteRange clamp(std::uint64_t offset, std::uint64_t size, std::uint64_t file_bytes) {
  const std::uint64_t begin = std::min(offset, file_bytes);
  return {begin, std::min(size, file_bytes - begin)};
}

// A reply with a byte missing would move everything after it.
Result<Pieces> check_length(Result<Pieces> pieces, std::uint64_t wanted) {
  if (!pieces) return pieces;
  std::uint64_t length = 0;
  for (const engine::Piece& piece : *pieces) length += piece.bytes.size();
  if (length == wanted) return pieces;
  return engine::Error::io(fmt::format("{} B instead of {} B", length, wanted));
}

}  // namespace

Result<Pieces> OpenEpochFile::read(std::uint64_t offset, std::size_t size) {
  const std::uint64_t file_bytes = opened_.file->size_bytes();
  const ByteRange range = clamp(offset, size, file_bytes);
  if (range.size == 0) return Pieces();
  if (const auto ahead = sequential_.after(range)) {
    const ByteRange inside = clamp(ahead->begin, ahead->size, file_bytes);
    if (inside.size > 0) opened_.file->prefetch(inside);
  }
  const auto where = [&] { return opened_.path; };
  return with_context(check_length(opened_.file->read(range), range.size), where);
}

std::optional<std::uint64_t> OpenEpochFile::size_bytes() const noexcept {
  return opened_.file->size_bytes();
}

Result<Pieces> OpenText::read(std::uint64_t offset, std::size_t size) {
  const ByteRange range = clamp(offset, size, text_->size());
  return Pieces{{text_, engine::as_bytes(*text_).subspan(range.begin, range.size)}};
}

std::optional<std::uint64_t> OpenText::size_bytes() const noexcept { return text_->size(); }

}  // namespace epochfs::fs
