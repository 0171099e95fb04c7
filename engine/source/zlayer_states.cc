#include "engine/source/zlayer_states.h"

namespace epochfs::engine {

ZlayerCoverage::ZlayerCoverage(const zlayer::SnapshotFacts& snapshot)
    : end_(snapshot.page_count()), lock_page_(sqlite::lock_byte_page(snapshot.page_size()).get()) {}

bool ZlayerCoverage::covers(const zlayer::WalFacts& facts, const zlayer::WalCommit& commit) {
  for (; frame_ < commit.frame; ++frame_) {
    const std::uint32_t page = facts.frame(frame_ + 1).page.get();
    if (page > end_) written_.insert(page);
  }
  while (end_ < commit.pages && (end_ + 1 == lock_page_ || written_.erase(end_ + 1) > 0)) ++end_;
  return commit.pages <= end_;
}

ZlayerStates::ZlayerStates(const zlayer::SnapshotFacts& base)
    : page_size_(base.page_size()), zero_page_hash_(page_hash(Bytes(page_size_.bytes()))) {
  hashes_.reserve(base.page_count());
  for (std::uint32_t page = 1; page <= base.page_count(); ++page)
    hashes_.push_back(base.hash(PageNo(page)).value_or(0));
  resize(base.page_count());
}

void ZlayerStates::apply(const zlayer::WalFacts& facts, const zlayer::WalCommit& commit) {
  for (; frame_ < commit.frame; ++frame_) {
    const zlayer::WalFrame frame = facts.frame(frame_ + 1);
    const std::uint32_t page = frame.page.get();
    if (page == 0 || page > hashes_.size()) {
      beyond_[page] = frame.hash;  // it may still come to be seen, when the database grows
      continue;
    }
    std::uint64_t& hash = hashes_[page - 1];
    if (page <= pages_) {
      state_.remove(frame.page, hash);
      state_.add(frame.page, frame.hash);
    }
    hash = frame.hash;
  }
  resize(commit.pages);
}

void ZlayerStates::begin_log() {
  hashes_.resize(pages_);
  beyond_.clear();
  frame_ = 0;
}

StateHash ZlayerStates::state() const {
  StateHash state = state_;
  state.add_size(size_bytes());
  return state;
}

std::uint64_t ZlayerStates::size_bytes() const noexcept {
  return std::uint64_t{pages_} * page_size_.bytes();
}

void ZlayerStates::resize(std::uint32_t pages) {
  while (hashes_.size() < pages) {
    const auto found = beyond_.extract(static_cast<std::uint32_t>(hashes_.size() + 1));
    hashes_.push_back(found ? found.mapped() : zero_page_hash_);
  }
  for (; pages_ < pages; ++pages_) state_.add(PageNo(pages_ + 1), hashes_[pages_]);
  for (; pages_ > pages; --pages_) state_.remove(PageNo(pages_), hashes_[pages_ - 1]);
}

}  // namespace epochfs::engine
