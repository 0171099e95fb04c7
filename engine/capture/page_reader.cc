#include "engine/capture/page_reader.h"

#include <algorithm>

namespace epochfs::engine {

Result<void> WalPages::load_window(std::uint32_t number) {
  window_.reset();
  newest_frames_.assign(kWindowPages, 0);
  for (std::uint32_t frame = state_.backfilled + 1; frame <= state_.header.last_frame; ++frame) {
    TRY_ASSIGN(const PageNo page, index_->page_in(frame));
    const std::uint32_t place = page.get() - 1;
    if (place / kWindowPages == number) newest_frames_[place % kWindowPages] = frame;
  }
  window_ = number;
  return {};
}

Result<void> WalPages::read(PageNo first, MutableByteView out) {
  TRY(file_->read(first, out));
  if (state_.database_is_complete()) return {};
  const std::size_t page_bytes = log_.page_size().bytes();
  for (std::uint32_t place = first.get() - 1; !out.empty(); ++place) {
    if (window_ != place / kWindowPages) TRY(load_window(place / kWindowPages));
    const std::uint32_t frame = newest_frames_[place % kWindowPages];
    if (frame != 0) TRY(log_.page(frame, out.first(page_bytes)));
    out = out.subspan(page_bytes);
  }
  return {};
}

Result<void> feed_image(PageReader& pages, PageSize page_size, std::uint64_t size_bytes,
                        const std::function<Result<void>(ByteView)>& sink) {
  constexpr std::size_t kPieceBytes = 1024 * 1024;
  Bytes buffer(kPieceBytes);
  for (std::uint64_t at = 0; at < size_bytes; at += kPieceBytes) {
    const std::uint64_t wanted = std::min<std::uint64_t>(kPieceBytes, size_bytes - at);
    const auto whole_pages =
        static_cast<std::size_t>(page_size.pages_in(wanted) * page_size.bytes());
    TRY(pages.read(page_size.page_at(at), MutableByteView(buffer).first(whole_pages)));
    TRY(sink(ByteView(buffer).first(static_cast<std::size_t>(wanted))));
  }
  return {};
}

}  // namespace epochfs::engine
