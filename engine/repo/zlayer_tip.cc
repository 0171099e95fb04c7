#include "engine/repo/zlayer_tip.h"

namespace epochfs::engine {

KnownState ZlayerTip::known() const {
  KnownState known;
  known.newest.epoch = epoch;
  known.newest.size_bytes = size_bytes();
  known.newest.state = claim.state;
  known.page_size = claim.page_size;
  known.cursor = cursor;
  if (known.cursor) known.cursor->epoch = epoch;
  known.page_hashes = [this](PageRange range) -> Result<std::vector<std::uint64_t>> {
    const std::span<const std::uint64_t> hashes(pages);
    if (range.last.get() > hashes.size() || range.first > range.last)
      return Error::corrupt("pages that the newest epoch does not have");
    const auto wanted = hashes.subspan(range.first.get() - 1U,
                                       std::size_t{range.last.get()} - range.first.get() + 1);
    return std::vector<std::uint64_t>(wanted.begin(), wanted.end());
  };
  return known;
}

StateHash state_of(const std::vector<std::uint64_t>& pages, PageSize page_size) noexcept {
  StateHash state;
  for (std::size_t i = 0; i < pages.size(); ++i) state.add(page_no(i + 1), pages[i]);
  state.add_size(std::uint64_t{pages.size()} * page_size.bytes());
  return state;
}

std::optional<native::Cursor> cursor_of(const zlayer::Claim& claim) {
  if (claim.cursor.empty()) return std::nullopt;
  auto cursor = native::parse_cursor(as_bytes(claim.cursor));
  return cursor ? std::optional(*std::move(cursor)) : std::nullopt;
}

}  // namespace epochfs::engine
