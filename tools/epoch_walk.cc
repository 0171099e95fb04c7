#include "tools/epoch_walk.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

namespace epochfs::tools {
namespace {

using engine::Epoch;
using engine::Result;
using engine::Timeline;
using engine::native::EpochFacts;

constexpr std::size_t kChunk = 4096;

// The newest epoch in [first, last]. Bisects, since a timeline only looks forward, so a wide gap in
// the numbers costs as little as a narrow one.
Result<std::optional<Epoch>> newest_within(const Timeline& timeline, Epoch first, Epoch last) {
  std::optional<Epoch> found;
  std::uint64_t low = first.get();
  std::uint64_t high = last.get();
  while (low <= high) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const auto next, timeline.list(Epoch(middle), 1));
    if (!next.empty() && next.front().epoch <= last) {
      found = next.front().epoch;
      if (*found == last) break;
      low = found->get() + 1;
    } else if (middle == first.get()) {
      break;
    } else {
      high = middle - 1;
    }
  }
  return found;
}

}  // namespace

Result<void> walk_backward(const Timeline& timeline, Epoch first, std::uint64_t count_max,
                           const EpochVisitor& visit) {
  std::optional<Epoch> last = timeline.newest();
  while (count_max > 0 && last && *last >= first) {
    const Epoch begin(last->get() - std::min<std::uint64_t>(kChunk - 1, last->get() - first.get()));
    TRY_ASSIGN(auto chunk, timeline.list(begin, kChunk));
    std::erase_if(chunk, [&](const EpochFacts& facts) { return facts.epoch > *last; });
    std::reverse(chunk.begin(), chunk.end());
    for (const EpochFacts& facts : chunk) {
      if (count_max == 0) return {};
      TRY(visit(facts));
      --count_max;
    }
    if (begin <= first) return {};
    TRY_ASSIGN(last, newest_within(timeline, first, Epoch(begin.get() - 1)));
  }
  return {};
}

Result<void> walk_forward(const Timeline& timeline, Epoch first, std::uint64_t count_max,
                          const EpochVisitor& visit) {
  // Where to begin is known only after counting back from the newest.
  if (count_max < timeline.epoch_count()) {
    TRY(walk_backward(timeline, first, count_max, [&](const EpochFacts& facts) -> Result<void> {
      first = facts.epoch;
      return {};
    }));
  }
  if (count_max == 0) return {};
  while (true) {
    TRY_ASSIGN(const auto chunk, timeline.list(first, kChunk));
    for (const EpochFacts& facts : chunk) TRY(visit(facts));
    if (chunk.size() < kChunk) return {};
    if (chunk.back().epoch.get() == std::numeric_limits<std::uint64_t>::max()) return {};
    first = Epoch(chunk.back().epoch.get() + 1);
  }
}

}  // namespace epochfs::tools
