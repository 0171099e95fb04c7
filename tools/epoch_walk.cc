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

}  // namespace

Result<void> walk_backward(const Timeline& timeline, Epoch first, std::uint64_t count_max,
                           const EpochVisitor& visit) {
  std::optional<Epoch> last = timeline.newest();
  while (last && *last >= first) {
    const Epoch begin(last->get() - std::min<std::uint64_t>(kChunk - 1, last->get() - first.get()));
    TRY_ASSIGN(auto chunk, timeline.list(begin, kChunk));
    // Where numbers are missing, the chunk reaches beyond what is still to come.
    std::erase_if(chunk, [&](const EpochFacts& facts) { return facts.epoch > *last; });
    std::reverse(chunk.begin(), chunk.end());
    for (const EpochFacts& facts : chunk) {
      if (count_max-- == 0) return {};
      TRY(visit(facts));
    }
    TRY_ASSIGN(const auto next, timeline.newest_below(begin));
    last = next ? std::optional(next->epoch) : std::nullopt;
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
