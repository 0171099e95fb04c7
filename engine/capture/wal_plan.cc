#include "engine/capture/wal_plan.h"

#include <algorithm>
#include <unordered_map>

#include "engine/capture/page_diff.h"

namespace epochfs::engine {
namespace {

CommitPlan refuse(std::string why) { return {{}, std::move(why)}; }

constexpr const char* kWentBack = "the database went back to an earlier state";
constexpr const char* kHiddenPages =
    "a checkpoint hid what readers saw in pages that were added without being written";

class Planner {
 public:
  Planner(const KnownState& known, WalScene& scene, std::size_t weight_max)
      : known_(known),
        cursor_(*fitting_cursor(known)),
        scene_(scene),
        weight_max_(weight_max),
        old_salts_{cursor_.position.salt1, cursor_.position.salt2},
        old_checksum_{cursor_.checksum1, cursor_.checksum2},
        known_pages_(
            static_cast<std::uint32_t>(known.page_size.pages_in(known.newest.size_bytes))) {}

  Result<CommitPlan> plan(Continuity continuity) {
    auto header = scene_.log.header();
    if (!header) return refuse("the write-ahead log's header is not readable");
    header_ = *header;
    if (continuity == Continuity::kRestarted) return plan_after_restart();
    RunStart start;
    start.pages_before = known_pages_;
    if (continuity == Continuity::kContinues) {
      TRY_ASSIGN(const bool there, cursor_frame_is_there());
      if (!there) return refuse(kWentBack);
      start.first_frame = cursor_.position.frame + 1;
      start.checksum = old_checksum_;
    } else {
      start.checksum = header_.checksum;
    }
    return plan_newest(start);
  }

 private:
  Result<bool> cursor_frame_is_there() {
    TRY_ASSIGN(const sqlite::WalFrameHeader frame, scene_.log.frame_header(cursor_.position.frame));
    return frame.salts == old_salts_ && frame.checksum == old_checksum_;
  }

  // The run that ends with the newest frame.
  Result<CommitPlan> plan_newest(RunStart start) {
    const sqlite::WalIndexHeader& newest = scene_.state.header;
    start.salts = newest.salts;
    start.order = header_.order;
    TRY_ASSIGN(ScannedRun run, scan_commits(scene_.log, start, newest.last_frame, weight_max_));
    // SQLite 3.40.1, for one, may commit frames without salts and checksums after a ROLLBACK TO
    // that follows a cache spill. Readers see them, by the wal-index.
    if (run.last_frame != newest.last_frame || run.checksum_after != newest.checksum ||
        run.pages_after != newest.database_pages)
      return refuse("the write-ahead log holds transactions that its checksums do not cover");
    if (run.too_many_orphans)
      return refuse("a transaction added too many pages without writing them");
    TRY_ASSIGN(auto orphans, find_orphans(run.orphans, scene_.log, scene_.state, *scene_.database));
    if (!run.orphans.empty()) {
      TRY_ASSIGN(const WalIndexState now, scene_.index->read());
      if (now.backfilled != scene_.state.backfilled) return refuse(kHiddenPages);
    }
    if (!orphans) return refuse(kHiddenPages);
    CommitPlan plan;
    plan.runs.push_back({{newest.salts.first, newest.salts.second, header_.sequence, 0},
                         std::move(run.cuts),
                         *std::move(orphans)});
    return plan;
  }

  // The frames of the log before, as far as the new ones have not overwritten them.
  Result<CommitPlan> plan_after_restart() {
    const std::uint32_t frame = cursor_.position.frame;
    const std::uint32_t newest = scene_.state.header.last_frame;
    if (newest >= frame) return refuse("the restarted write-ahead log overwrote its old end");
    TRY_ASSIGN(const std::uint32_t frames, scene_.log.frames_in_file());
    if (frames <= frame)
      return refuse("the write-ahead log was restarted, and its old end may have been cut off");
    TRY_ASSIGN(const bool there, cursor_frame_is_there());
    if (!there) return refuse(kWentBack);
    TRY_ASSIGN(const sqlite::WalFrameHeader follower, scene_.log.frame_header(frame + 1));
    if (follower.salts == old_salts_) return plan_with_leftovers(frames);
    if (!is_older(follower.salts))
      return refuse("the restarted write-ahead log overwrote its old end");
    // Nothing was appended after us: the slot still shows the log before.
    return newest == 0 ? CommitPlan() : plan_newest(from_first_frame(known_pages_));
  }

  [[nodiscard]] bool is_older(const sqlite::WalSalts& salts) const noexcept {
    const std::uint32_t restarts = old_salts_.first - salts.first;
    return salts != sqlite::WalSalts{} && restarts != 0 && restarts < 0x80000000U;
  }

  [[nodiscard]] RunStart from_first_frame(std::uint32_t pages_before) const {
    RunStart start;
    start.pages_before = pages_before;
    start.checksum = header_.checksum;
    return start;
  }

  // Transactions were begun after us before the restart. The chain shows which of them ended, but
  // not whether the file was cut behind them; so the outcome is compared with the database.
  Result<CommitPlan> plan_with_leftovers(std::uint32_t frames_in_file) {
    if (frames_in_file - cursor_.position.frame > weight_max_)
      return refuse("the old end of the restarted write-ahead log is too long");
    const RunStart start = {cursor_.position.frame + 1, known_pages_, old_checksum_, old_salts_,
                            header_.order};
    TRY_ASSIGN(ScannedRun old_run, scan_commits(scene_.log, start, frames_in_file, weight_max_));
    CommitPlan plan;
    if (scene_.state.header.last_frame != 0) {
      TRY_ASSIGN(plan, plan_newest(from_first_frame(old_run.pages_after)));
      if (!plan.refusal.empty()) return plan;
    } else if (old_run.pages_after != scene_.page_count) {
      return refuse("the old end of the restarted write-ahead log is incomplete");
    }
    if (!old_run.orphans.empty() || (!plan.runs.empty() && !plan.runs.front().orphans.empty()))
      return refuse(kHiddenPages);
    TRY_ASSIGN(const bool exact, leads_to_database_file(start.first_frame, old_run));
    if (!exact) return refuse("the old end of the restarted write-ahead log is incomplete");
    native::SourcePosition generation = cursor_.position;
    generation.frame = 0;
    plan.runs.insert(plan.runs.begin(), CommitRun{generation, std::move(old_run.cuts), {}});
    return plan;
  }

  // Known pages, then the old frames: is that the database file? A log is restarted only when the
  // file is complete, and the file stays so until a checkpoint begins to copy new frames. The
  // newest state would prove less: new frames may hide what a transaction wrote that is lost.
  Result<bool> leads_to_database_file(std::uint32_t first_frame, const ScannedRun& old_run) {
    std::unordered_map<std::uint32_t, std::uint32_t> old_frames;
    for (std::uint32_t frame = first_frame; frame <= old_run.last_frame; ++frame) {
      TRY_ASSIGN(const sqlite::WalFrameHeader header, scene_.log.frame_header(frame));
      old_frames[header.page.get()] = frame;
    }
    ExpectedPages expected;
    expected.count = old_run.pages_after;
    expected.hashes = [&](PageRange range) { return hashes_after(range, old_frames); };
    bool exact = true;
    const auto on_change = [&](PageNo, ByteView) -> Result<void> {
      exact = false;
      return {};
    };
    TRY(compare_pages(*scene_.database, scene_.log.page_size(), old_run.pages_after, expected,
                      on_change));
    TRY_ASSIGN(const WalIndexState now, scene_.index->read());
    return exact && now.backfilled == 0 && now.attempted == 0;
  }

  Result<std::vector<std::uint64_t>> hashes_after(
      PageRange range, const std::unordered_map<std::uint32_t, std::uint32_t>& old_frames) {
    std::vector<std::uint64_t> hashes;
    const std::uint32_t last_known = std::min(range.last.get(), known_pages_);
    if (range.first.get() <= last_known) {
      TRY_ASSIGN(hashes, known_.page_hashes({range.first, PageNo(last_known)}));
    }
    hashes.resize(range.last.get() - range.first.get() + 1);
    Bytes bytes(scene_.log.page_size().bytes());
    for (std::uint32_t page = range.first.get(); page <= range.last.get(); ++page) {
      const auto at = old_frames.find(page);
      if (at == old_frames.end()) continue;
      TRY(scene_.log.page(at->second, bytes));
      hashes[page - range.first.get()] = page_hash(bytes);
    }
    return hashes;
  }

  const KnownState& known_;
  const native::Cursor& cursor_;
  WalScene& scene_;
  const std::size_t weight_max_;
  const sqlite::WalSalts old_salts_;
  const sqlite::WalChecksum old_checksum_;
  const std::uint32_t known_pages_;
  sqlite::WalHeader header_;
};

}  // namespace

Result<CommitPlan> plan_commits(Continuity continuity, const KnownState& known, WalScene& scene,
                                std::size_t weight_max) {
  return Planner(known, scene, weight_max).plan(continuity);
}

}  // namespace epochfs::engine
