#include "engine/view/view.h"

namespace epochfs::engine {

Result<void> visit_epochs(const Timeline& timeline, Epoch first,
                          const std::function<Result<bool>(const native::EpochFacts&)>& visit) {
  constexpr std::size_t kEpochsAtOnce = 4096;
  for (Epoch next = first;;) {
    TRY_ASSIGN(const auto epochs, timeline.list(next, kEpochsAtOnce));
    for (const native::EpochFacts& facts : epochs) {
      TRY_ASSIGN(const bool goes_on, visit(facts));
      if (!goes_on) return {};
      next = Epoch(facts.epoch.get() + 1);
    }
    if (epochs.size() < kEpochsAtOnce) return {};
  }
}

Result<EpochInfo> epoch_info(const Timeline& timeline, const native::EpochFacts& facts,
                             std::string segment, std::string base) {
  EpochInfo info{facts, std::nullopt, std::nullopt, std::move(segment), std::move(base)};
  TRY_ASSIGN(const auto parent, timeline.newest_below(facts.epoch));
  if (parent) info.parent = parent->epoch;
  TRY_ASSIGN(const auto later, timeline.list(Epoch(facts.epoch.get() + 1), 1));
  if (!later.empty()) info.valid_until = later.front().committed;
  return info;
}

}  // namespace epochfs::engine
