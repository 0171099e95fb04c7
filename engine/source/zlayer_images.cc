#include "engine/source/zlayer_images.h"

#include <algorithm>

namespace epochfs::engine {

void ZlayerImages::add(const zlayer::WalFacts& facts, std::uint32_t generation) {
  for (std::uint32_t frame = 1; frame <= facts.frame_count(); ++frame) {
    const zlayer::WalFrame found = facts.frame(frame);
    of_page_[found.page.get()].push_back({{generation, frame}, found.hash});
  }
}

void ZlayerImages::add_base(PageNo page, std::uint32_t generation, std::uint64_t hash) {
  std::vector<Image>& images = of_page_[page.get()];
  const ZlayerMoment moment{generation, 0};
  const auto at = std::ranges::lower_bound(images, moment, {}, &Image::moment);
  if (at == images.end() || at->moment != moment) images.insert(at, {moment, hash});
}

ZlayerEvidence ZlayerImages::weigh(const zlayer::SnapshotFacts& snapshot,
                                   std::uint32_t generation) const {
  ZlayerEvidence evidence;
  for (const auto& [page, images] : of_page_) {
    const auto hash = snapshot.hash(PageNo(page));
    if (!hash) continue;
    std::optional<std::size_t> last;
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (images[i].hash != *hash) continue;
      const ZlayerMoment moment = images[i].moment;
      if (!last) evidence.low = std::max(evidence.low, std::optional(moment));
      last = i;
      const bool is_last_of_it =
          i + 1 == images.size() || images[i + 1].moment.generation >= generation;
      if (moment.generation + 1 == generation && moment.frame > 0 && is_last_of_it)
        evidence.holds_end_before = true;
    }
    if (last && *last + 1 < images.size())
      evidence.stale = std::min(evidence.stale, images[*last + 1].moment.generation);
  }
  return evidence;
}

}  // namespace epochfs::engine
