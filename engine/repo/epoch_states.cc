#include "engine/repo/epoch_states.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kLookUpPages = 4096;

}  // namespace

EpochStates::EpochStates(PageSize page_size, std::uint64_t size_before, StateHash state_before,
                         const std::vector<std::uint64_t>& sizes, HashesBefore hashes_before)
    : page_size_(page_size),
      hashes_before_(std::move(hashes_before)),
      pages_before_(page_size.pages_in(size_before)),
      pages_least_(pages_before_),
      state_before_(state_before),
      sizes_(sizes),
      size_before_(size_before),
      leaves_(std::bit_ceil(std::max<std::size_t>(sizes.size(), 1))),
      deltas_(sizes.size()) {
  least_pages_.assign(2 * leaves_, std::numeric_limits<std::uint64_t>::max());
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    least_pages_[leaves_ + i] = page_size_.pages_in(sizes_[i]);
    pages_least_ = std::min(pages_least_, least_pages_[leaves_ + i]);
  }
  for (std::size_t i = leaves_ - 1; i >= 1; --i)
    least_pages_[i] = std::min(least_pages_[2 * i], least_pages_[2 * i + 1]);
}

// The first epoch at or after `from` that is too small to have the page; sizes_.size() when none
// is.
std::uint32_t EpochStates::first_ordinal_without(std::uint64_t page, std::uint32_t from) const {
  if (from >= sizes_.size()) return static_cast<std::uint32_t>(sizes_.size());
  std::size_t node = leaves_ + from;
  // Up and to the right until a subtree holds one, then down to its leftmost.
  while (least_pages_[node] >= page) {
    while ((node & 1U) != 0) {
      node /= 2;
      if (node <= 1) return static_cast<std::uint32_t>(sizes_.size());
    }
    ++node;
  }
  while (node < leaves_) node = least_pages_[2 * node] < page ? 2 * node : 2 * node + 1;
  return static_cast<std::uint32_t>(node - leaves_);
}

// Lets the page die in the epochs before `ordinal` that are too small for it.
void EpochStates::die_until(std::uint32_t ordinal) {
  if (!alive_ || page_ <= pages_least_) return;
  const std::uint32_t death = first_ordinal_without(page_, next_ordinal_);
  if (death >= ordinal) return;
  deltas_[death].remove(page_no(page_), hash_);
  alive_ = false;
  next_ordinal_ = death + 1;
}

Result<bool> EpochStates::version(PageNo page, std::uint32_t ordinal, std::uint64_t hash) {
  if (page.get() == 0 || page.get() < page_ || ordinal >= sizes_.size())
    return Error::invalid("page versions out of order");
  if (page.get() != page_) TRY(turn_to(page.get()));
  if (any_version_ && ordinal < next_ordinal_) return Error::invalid("page versions out of order");
  if (page_size_.pages_in(sizes_[ordinal]) < page_)
    return Error::corrupt(fmt::format("page {} lies beyond the end of its epoch", page_));
  die_until(ordinal);
  any_version_ = true;
  if (alive_ && hash_ == hash) {
    next_ordinal_ = ordinal + 1;
    return false;
  }
  if (alive_) {
    deltas_[ordinal].remove(page_no(page_), hash_);
  } else {
    const std::uint64_t pages_then =
        ordinal == 0 ? pages_before_ : page_size_.pages_in(sizes_[ordinal - 1]);
    if (pages_then >= page_)
      return Error::corrupt(fmt::format("page {} came back without content", page_));
  }
  deltas_[ordinal].add(page_no(page_), hash);
  alive_ = true;
  hash_ = hash;
  next_ordinal_ = ordinal + 1;
  return true;
}

Result<void> EpochStates::turn_to(std::uint64_t page) {
  TRY(leave_page());
  TRY(fall_away_below(page));
  page_ = page;
  next_ordinal_ = 0;
  any_version_ = false;
  alive_ = page <= pages_before_;
  if (alive_) {
    TRY_ASSIGN(const auto hashes, hashes_before_({page_no(page), page_no(page)}));
    hash_ = hashes.at(0);
  }
  return {};
}

Result<void> EpochStates::leave_page() {
  if (page_ == 0) return {};
  const auto end = static_cast<std::uint32_t>(sizes_.size());
  die_until(end);
  if (!alive_ && end > 0 && page_size_.pages_in(sizes_.back()) >= page_)
    return Error::corrupt(fmt::format("page {} came back without content", page_));
  return {};
}

// Pages of the state before, between the last one fed and `page`, that got no version but do not
// live in all epochs.
Result<void> EpochStates::fall_away_below(std::uint64_t page) {
  const std::uint64_t end = std::min(page, pages_before_ + 1);
  std::uint64_t at = std::max(page_, pages_least_) + 1;
  while (at < end) {
    const std::uint64_t last = std::min(at + kLookUpPages, end) - 1;
    TRY_ASSIGN(const auto hashes, hashes_before_({page_no(at), page_no(last)}));
    for (std::uint64_t i = 0; at <= last; ++at, ++i) {
      page_ = at;
      next_ordinal_ = 0;
      alive_ = true;
      hash_ = hashes.at(i);
      TRY(leave_page());
    }
  }
  // Pages that only later epochs have must have been fed.
  const std::uint64_t fed = std::max(page_, pages_before_);
  if (!sizes_.empty() && fed + 1 < page && page_size_.pages_in(sizes_.back()) > fed)
    return Error::corrupt(fmt::format("page {} has no content", fed + 1));
  return {};
}

Result<std::vector<StateHash>> EpochStates::finish() {
  TRY(leave_page());
  const std::uint64_t pages_last = sizes_.empty() ? 0 : page_size_.pages_in(sizes_.back());
  TRY(fall_away_below(std::max(pages_before_, pages_last) + 1));
  std::vector<StateHash> states;
  states.reserve(sizes_.size());
  StateHash state = state_before_;
  std::uint64_t size = size_before_;
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    state += deltas_[i];
    state.remove_size(size);
    size = sizes_[i];
    state.add_size(size);
    states.push_back(state);
  }
  return states;
}

}  // namespace epochfs::engine
