// State hashes of consecutive epochs, from what each of them changed.
//
// Feed every page version of the epochs, pages ascending, then epochs ascending; the hash of each
// epoch follows from the one before: changed pages out and in, pages beyond a smaller size out.
// Pages that only fall away are looked up.
//
// Threads   one
// Memory    per epoch a hash and a node of a search tree; nothing per page
// Errors    kCorrupt: a page that an epoch added by growing has no version; those of
// `hashes_before`
#pragma once

#include <functional>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/units.h"

namespace epochfs::engine {

class EpochStates {
 public:
  // XXH3-64 of each page of the range, in the state before the first epoch.
  using HashesBefore = std::function<Result<std::vector<std::uint64_t>>(PageRange)>;

  EpochStates(PageSize page_size, std::uint64_t size_before, StateHash state_before,
              const std::vector<std::uint64_t>& sizes, HashesBefore hashes_before);

  // False: the page is already that in the epoch before, the version may be dropped. kInvalid: out
  // of order.
  Result<bool> version(PageNo page, std::uint32_t ordinal, std::uint64_t hash);
  // One state per epoch, in order. Once, at the end.
  Result<std::vector<StateHash>> finish();

 private:
  Result<void> turn_to(std::uint64_t page);
  Result<void> leave_page();
  Result<void> fall_away_below(std::uint64_t page);
  std::uint32_t first_ordinal_without(std::uint64_t page, std::uint32_t from) const;
  void die_until(std::uint32_t ordinal);

  PageSize page_size_;
  HashesBefore hashes_before_;
  std::uint64_t pages_before_ = 0;
  std::uint64_t pages_least_ = 0;
  StateHash state_before_;
  std::vector<std::uint64_t> sizes_;
  std::uint64_t size_before_;
  std::vector<std::uint64_t> least_pages_;  // tree of minima over the epochs' page counts
  std::size_t leaves_ = 1;
  std::vector<StateHash> deltas_;

  // The page being fed.
  std::uint64_t page_ = 0;  // 0: none yet
  bool alive_ = false;
  std::uint64_t hash_ = 0;
  std::uint32_t next_ordinal_ = 0;  // everything below is settled
  bool any_version_ = false;
};

}  // namespace epochfs::engine
