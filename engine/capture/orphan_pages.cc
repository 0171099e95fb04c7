#include "engine/capture/orphan_pages.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace epochfs::engine {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

// What the log tells of one orphan.
struct History {
  std::uint32_t older_frame = 0;           // newest frame of the page not after the commit
  bool written_later = false;              // by a transaction after the commit
  bool copied_later = false;               // and that frame is in the database file already
  std::uint32_t smallest_later = kNever;   // size of the database after any later commit
  std::uint32_t smallest_copied = kNever;  // after any that is in the database file already
};

class HistoryReader {
 public:
  HistoryReader(std::span<const Orphan> orphans, std::uint32_t backfilled)
      : orphans_(orphans),
        backfilled_(backfilled),
        next_(orphans.size()),
        histories_(orphans.size()),
        by_page_(orphans.size()) {
    std::iota(by_page_.begin(), by_page_.end(), std::size_t{0});
    std::sort(by_page_.begin(), by_page_.end(),
              [&](std::size_t a, std::size_t b) { return orphans_[a].page < orphans_[b].page; });
  }

  // Frames in descending order.
  void take(std::uint32_t frame, const sqlite::WalFrameHeader& header) {
    auto at = std::lower_bound(
        by_page_.begin(), by_page_.end(), header.page,
        [&](std::size_t number, PageNo page) { return orphans_[number].page < page; });
    for (; at != by_page_.end() && orphans_[*at].page == header.page; ++at) note_frame(*at, frame);
    if (header.database_pages == 0) return;
    for (; next_ != 0 && orphans_[next_ - 1].commit_frame >= frame; --next_) {
      histories_[next_ - 1].smallest_later = smallest_;
      histories_[next_ - 1].smallest_copied = smallest_copied_;
    }
    smallest_ = std::min(smallest_, header.database_pages);
    if (frame <= backfilled_) smallest_copied_ = std::min(smallest_copied_, header.database_pages);
  }

  [[nodiscard]] const History& of(std::size_t number) const noexcept { return histories_[number]; }

 private:
  void note_frame(std::size_t number, std::uint32_t frame) {
    History& history = histories_[number];
    if (frame <= orphans_[number].commit_frame) {
      history.older_frame = std::max(history.older_frame, frame);
    } else {
      history.written_later = true;
      if (frame <= backfilled_) history.copied_later = true;
    }
  }

  std::span<const Orphan> orphans_;
  std::uint32_t backfilled_;
  std::size_t next_;  // orphans before it have commits that were not reached yet
  std::vector<History> histories_;
  std::vector<std::size_t> by_page_;
  std::uint32_t smallest_ = kNever;
  std::uint32_t smallest_copied_ = kNever;
};

bool all_zeros(ByteView bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](std::byte byte) { return byte == std::byte{0}; });
}

// The frame to take the page from, or one of the constants; nullopt: nobody knows.
std::optional<std::uint32_t> decide(PageNo page, const History& history, std::uint32_t backfilled,
                                    ByteView in_database) {
  // A copied frame was cut off when the database shrank behind it, or was not: it depends on when.
  if (history.older_frame != 0)
    return history.older_frame > backfilled ? std::optional(history.older_frame) : std::nullopt;
  if (history.copied_later || history.smallest_copied < page.get()) return std::nullopt;
  if (all_zeros(in_database)) return kZeros;
  // A checkpoint beside us may still overwrite it, or cut it off.
  if (history.written_later || history.smallest_later < page.get()) return std::nullopt;
  return kFromDatabase;
}

}  // namespace

Result<std::optional<std::vector<OrphanSource>>> find_orphans(std::span<const Orphan> orphans,
                                                              WalLog log,
                                                              const WalIndexState& state,
                                                              FilePages& database) {
  std::optional<std::vector<OrphanSource>> sources(std::in_place);
  if (orphans.empty()) return sources;
  HistoryReader reader(orphans, state.backfilled);
  for (std::uint32_t frame = state.header.last_frame; frame > 0; --frame) {
    TRY_ASSIGN(const sqlite::WalFrameHeader header, log.frame_header(frame));
    reader.take(frame, header);
  }
  Bytes in_database(log.page_size().bytes());
  for (std::size_t number = 0; number < orphans.size(); ++number) {
    const Orphan& orphan = orphans[number];
    TRY(database.read(orphan.page, in_database));
    const auto frame = decide(orphan.page, reader.of(number), state.backfilled, in_database);
    if (!frame) return std::optional<std::vector<OrphanSource>>();
    sources->push_back({orphan.page, orphan.commit_frame, *frame});
  }
  return sources;
}

}  // namespace epochfs::engine
