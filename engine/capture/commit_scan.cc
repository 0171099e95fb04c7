#include "engine/capture/commit_scan.h"

#include <algorithm>

namespace epochfs::engine {
namespace {

constexpr std::size_t kScanBytes = 1024 * 1024;

class Scan {
 public:
  Scan(const RunStart& start, std::uint32_t end_frame, std::size_t weight_max)
      : start_(start),
        weight_max_(weight_max),
        growth_max_(weight_max + end_frame),
        checksum_(start.checksum) {
    run_.pages_after = start.pages_before;
    run_.checksum_after = start.checksum;
    open_.first_frame = start.first_frame;
  }

  // False: the frame does not follow the one before.
  bool take(std::uint32_t frame, ByteView bytes) {
    const auto raw = bytes.first<sqlite::kWalFrameHeaderSize>();
    const ByteView page = bytes.subspan(sqlite::kWalFrameHeaderSize);
    const sqlite::WalFrameHeader header = sqlite::parse_wal_frame_header(raw);
    if (header.salts != start_.salts || header.page == PageNo(0)) return false;
    checksum_ = sqlite::chain_frame(checksum_, start_.order, raw, page);
    if (checksum_ != header.checksum) return false;
    note_growth(header.page);
    ++open_.weight;
    if (header.database_pages != 0) commit(frame, header.database_pages);
    return true;
  }

  ScannedRun finish() && {
    if (batch_.weight != 0) run_.cuts.push_back(batch_);
    return std::move(run_);
  }

 private:
  void note_growth(PageNo page) {
    if (page.get() <= run_.pages_after) return;
    const std::size_t place = page.get() - run_.pages_after - 1;
    if (place >= growth_max_) return;
    if (place >= written_.size()) written_.resize(place + 1);
    written_[place] = true;
  }

  void commit(std::uint32_t frame, std::uint32_t pages) {
    for (std::uint32_t page = run_.pages_after; page < pages && !run_.too_many_orphans; ++page) {
      const std::size_t place = page - run_.pages_after;
      if (place < written_.size() && written_[place]) continue;
      run_.too_many_orphans = run_.orphans.size() == weight_max_;
      if (run_.too_many_orphans) break;
      run_.orphans.push_back({PageNo(page + 1), frame});
      ++open_.weight;
    }
    open_.last_frame = frame;
    add_to_batch();
    run_.last_frame = frame;
    run_.pages_after = pages;
    run_.checksum_after = checksum_;
    open_ = CommitCut{frame + 1, 0, 0};
    written_.clear();
  }

  void add_to_batch() {
    if (batch_.weight != 0 && batch_.weight + open_.weight > weight_max_) {
      run_.cuts.push_back(batch_);
      batch_ = CommitCut();
    }
    if (batch_.weight == 0) batch_.first_frame = open_.first_frame;
    batch_.last_frame = open_.last_frame;
    batch_.weight += open_.weight;
  }

  const RunStart start_;
  const std::size_t weight_max_;
  // A database that grew by more has too many orphans, whichever pages behind that were written.
  const std::size_t growth_max_;
  ScannedRun run_;
  CommitCut batch_;            // of whole transactions
  CommitCut open_;             // the transaction that has not ended yet
  std::vector<bool> written_;  // its pages behind the old end
  sqlite::WalChecksum checksum_;
};

}  // namespace

Result<ScannedRun> scan_commits(WalLog log, const RunStart& start, std::uint32_t end_frame,
                                std::size_t weight_max) {
  Scan scan(start, end_frame, weight_max);
  const std::size_t frame_bytes = log.frame_bytes();
  const auto frames_per_read =
      static_cast<std::uint32_t>(std::max<std::size_t>(1, kScanBytes / frame_bytes));
  Bytes buffer(frames_per_read * frame_bytes);
  for (std::uint32_t frame = start.first_frame; frame <= end_frame;) {
    const std::uint32_t count = std::min(frames_per_read, end_frame - frame + 1);
    const MutableByteView bytes = MutableByteView(buffer).first(count * frame_bytes);
    TRY(log.frames(frame, bytes));
    for (std::uint32_t i = 0; i < count; ++i, ++frame)
      if (!scan.take(frame, ByteView(bytes).subspan(i * frame_bytes, frame_bytes)))
        return std::move(scan).finish();
  }
  return std::move(scan).finish();
}

}  // namespace epochfs::engine
