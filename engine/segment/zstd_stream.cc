#include "engine/segment/zstd_stream.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <new>

#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kInputBytes = std::size_t{1024} * 1024;
constexpr int kWindowLogMax = 27;  // 128 MiB: what zstd's highest level makes

}  // namespace

void ZstdStream::Free::operator()(ZSTD_DCtx_s* context) const noexcept { ZSTD_freeDCtx(context); }

ZstdStream::ZstdStream(std::shared_ptr<const Blob> blob, std::uint64_t plain_bytes_max)
    : blob_(std::move(blob)),
      plain_bytes_max_(plain_bytes_max),
      context_(ZSTD_createDCtx()),
      input_(static_cast<std::size_t>(std::min<std::uint64_t>(kInputBytes, blob_->size_bytes()))) {
  if (!context_) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMax);
}

Result<bool> ZstdStream::refill() {
  const std::uint64_t left = blob_->size_bytes() - read_bytes_;
  input_size_ = static_cast<std::size_t>(std::min<std::uint64_t>(input_.size(), left));
  input_at_ = 0;
  if (input_size_ == 0) return false;
  TRY(blob_->read(read_bytes_, MutableByteView(input_).first(input_size_)));
  read_bytes_ += input_size_;
  return true;
}

Result<std::size_t> ZstdStream::read(MutableByteView out) {
  ZSTD_outBuffer output{out.data(), out.size(), 0};
  while (output.pos < output.size) {
    if (input_at_ == input_size_) {
      TRY_ASSIGN(const bool has_more, refill());
      // What zstd still holds back comes without more input.
      if (!has_more && !inside_frame_) break;
      if (!has_more && input_.empty()) return Error::corrupt("empty, and no zstd frame");
    }
    const std::size_t made_before = output.pos;
    ZSTD_inBuffer input{input_.data(), input_size_, input_at_};
    const std::size_t code = ZSTD_decompressStream(context_.get(), &output, &input);
    if (ZSTD_isError(code) != 0)
      return Error::corrupt(fmt::format("zstd: {}", ZSTD_getErrorName(code)));
    const bool is_stuck = input.pos == input_at_ && output.pos == made_before;
    input_at_ = input.pos;
    inside_frame_ = code != 0;
    if (is_stuck && inside_frame_) return Error::corrupt("ends within a zstd frame");
    if (plain_bytes_ + output.pos > plain_bytes_max_)
      return Error::corrupt(fmt::format("holds more than {}, from {}",
                                        human_bytes(plain_bytes_max_),
                                        human_bytes(blob_->size_bytes())));
  }
  plain_bytes_ += output.pos;
  return output.pos;
}

}  // namespace epochfs::engine
