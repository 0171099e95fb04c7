#include "engine/capture/commit_batch.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace epochfs::engine {
namespace {

// A version of a page that the batch brings.
struct Entry {
  PageNo page;
  std::uint32_t ordinal = 0;
  std::uint32_t frame = 0;  // or a constant of OrphanSource
};

bool in_visiting_order(const Entry& a, const Entry& b) noexcept {
  // Of several frames the last wins, so it comes first and the others are dropped.
  return std::tie(a.page, a.ordinal, b.frame) < std::tie(b.page, b.ordinal, a.frame);
}

void sort_and_drop_overwritten(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end(), in_visiting_order);
  const auto same_version = [](const Entry& a, const Entry& b) {
    return a.page == b.page && a.ordinal == b.ordinal;
  };
  entries.erase(std::unique(entries.begin(), entries.end(), same_version), entries.end());
}

// Counts versions by page number, coarsely, to cut a transaction that is too large for one pass
// into ranges of pages that are not.
class PassPlanner {
 public:
  explicit PassPlanner(std::size_t weight_max)
      : weight_max_(weight_max),
        bucket_pages_(
            static_cast<std::uint32_t>(std::clamp<std::size_t>(weight_max / 16, 1, 65536))) {}

  void add(PageNo page) { ++weights_[page.get() / bucket_pages_]; }
  [[nodiscard]] std::vector<PageRange> passes() const {
    std::vector<PageRange> passes;
    std::uint64_t weight = 0;
    for (const auto& [bucket, bucket_weight] : weights_) {
      const std::uint32_t first = bucket * bucket_pages_;
      weight += bucket_weight;
      if (passes.empty() || weight > weight_max_) {
        passes.push_back({PageNo(first), PageNo(first)});
        weight = bucket_weight;
      }
      passes.back().last =
          page_no(std::min<std::uint64_t>(std::uint64_t{first} + bucket_pages_ - 1, kPageCountMax));
    }
    return passes;
  }

 private:
  std::uint64_t weight_max_;
  std::uint32_t bucket_pages_;
  std::map<std::uint32_t, std::uint64_t> weights_;
};

class CommitBatch final : public ChangeBatch {
 public:
  CommitBatch(const CommitSource& source, const CommitCut& cut, std::size_t weight_max)
      : source_(source), cut_(cut), weight_max_(weight_max) {}

  Result<void> prepare() {
    const bool large = cut_.weight > weight_max_;
    std::optional<PassPlanner> planner;
    if (large) planner.emplace(weight_max_);
    for (std::uint32_t frame = cut_.first_frame; frame <= cut_.last_frame; ++frame) {
      TRY_ASSIGN(const sqlite::WalFrameHeader header, source_.log.frame_header(frame));
      if (planner) planner->add(header.page);
      if (header.database_pages != 0) add_epoch(frame, header.database_pages);
    }
    if (epochs_.empty() || epochs_.back().position.frame != cut_.last_frame) return log_changed();
    select_orphans();
    if (planner)
      for (const OrphanSource& orphan : orphans_) planner->add(orphan.page);
    passes_ = planner ? planner->passes() : std::vector<PageRange>{kAllPages};
    return {};
  }

  const std::vector<EpochDraft>& epochs() const noexcept override { return epochs_; }

  Result<void> visit(const Sink& sink) override {
    Bytes bytes(source_.log.page_size().bytes());
    for (const PageRange& pass : passes_) {
      TRY_ASSIGN(const std::vector<Entry> entries, collect(pass));
      for (const Entry& entry : entries) {
        TRY(load(entry, bytes));
        TRY(sink(entry.page, entry.ordinal, bytes));
      }
    }
    return {};
  }

 private:
  static constexpr PageRange kAllPages = {PageNo(1),
                                          PageNo(std::numeric_limits<std::uint32_t>::max())};

  // Only somebody who writes past SQLite can do that; but we count on these numbers below.
  static Failure log_changed() {
    return Error::busy("the write-ahead log was overwritten while it was read; try again");
  }

  void add_epoch(std::uint32_t frame, std::uint32_t pages) {
    EpochDraft draft;
    draft.size_bytes = std::uint64_t{pages} * source_.log.page_size().bytes();
    draft.position = source_.generation;
    draft.position.frame = frame;
    draft.how = native::Captured::kCommit;
    draft.commits_folded = 1;
    draft.flags = native::kEpochWalMode;
    epochs_.push_back(draft);
  }

  void select_orphans() {
    const auto before = [](const OrphanSource& orphan, std::uint32_t frame) {
      return orphan.commit_frame < frame;
    };
    const auto& all = source_.orphans;
    const auto first = std::lower_bound(all.begin(), all.end(), cut_.first_frame, before);
    const auto last = std::lower_bound(first, all.end(), cut_.last_frame + 1, before);
    orphans_ = {first, last};
  }

  [[nodiscard]] std::uint32_t ordinal_of(std::uint32_t commit_frame) const {
    const auto at = std::lower_bound(
        epochs_.begin(), epochs_.end(), commit_frame,
        [](const EpochDraft& epoch, std::uint32_t frame) { return epoch.position.frame < frame; });
    return static_cast<std::uint32_t>(at - epochs_.begin());
  }

  Result<std::vector<Entry>> collect(const PageRange& pass) {
    std::vector<Entry> entries;
    std::uint32_t ordinal = 0;
    for (std::uint32_t frame = cut_.first_frame; frame <= cut_.last_frame; ++frame) {
      TRY_ASSIGN(const sqlite::WalFrameHeader header, source_.log.frame_header(frame));
      if (ordinal == epochs_.size()) return log_changed();
      const bool wanted = header.page >= pass.first && header.page <= pass.last;
      const std::uint64_t offset = source_.log.page_size().offset_of(header.page);
      if (wanted && offset < epochs_[ordinal].size_bytes)
        entries.push_back({header.page, ordinal, frame});
      if (entries.size() >= 2 * weight_max_) sort_and_drop_overwritten(entries);
      if (header.database_pages != 0) ++ordinal;
    }
    for (const OrphanSource& orphan : orphans_) {
      const std::uint32_t of = ordinal_of(orphan.commit_frame);
      if (of == epochs_.size()) return log_changed();
      if (orphan.page >= pass.first && orphan.page <= pass.last)
        entries.push_back({orphan.page, of, orphan.frame});
    }
    sort_and_drop_overwritten(entries);
    return entries;
  }

  Result<void> load(const Entry& entry, MutableByteView bytes) {
    if (entry.frame == kFromDatabase) return source_.database->read(entry.page, bytes);
    if (entry.frame != kZeros) return source_.log.page(entry.frame, bytes);
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
    return {};
  }

  CommitSource source_;
  CommitCut cut_;
  std::size_t weight_max_;
  std::vector<EpochDraft> epochs_;
  std::span<const OrphanSource> orphans_;
  std::vector<PageRange> passes_;
};

}  // namespace

Result<std::unique_ptr<ChangeBatch>> make_commit_batch(const CommitSource& source,
                                                       const CommitCut& cut,
                                                       std::size_t weight_max) {
  auto batch = std::make_unique<CommitBatch>(source, cut, weight_max);
  TRY(batch->prepare());
  return std::unique_ptr<ChangeBatch>(std::move(batch));
}

}  // namespace epochfs::engine
