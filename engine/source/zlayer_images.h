// Every known image of every page of a database of ZLayer's, and what that says of a snapshot.
//
// Threads   one while it is filled; then any
// Memory    16 bytes per frame of all logs
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/formats/zlayer/facts.h"

namespace epochfs::engine {

// A moment in the life of a page: frame 0 is the base that a generation was found to rest on.
struct ZlayerMoment {
  std::uint32_t generation = 0;
  std::uint32_t frame = 0;
  friend auto operator<=>(const ZlayerMoment&, const ZlayerMoment&) = default;
};

// What the pages of a snapshot say about when it was taken.
struct ZlayerEvidence {
  // It was taken after that: the latest of its pages' earliest images.
  std::optional<ZlayerMoment> low;
  // In that generation it is old: it lacks an image.
  std::uint32_t stale = std::numeric_limits<std::uint32_t>::max();
  bool holds_end_before = false;  // it has the last image of a page of the generation before
};

class ZlayerImages {
 public:
  struct Image {
    ZlayerMoment moment;
    std::uint64_t hash = 0;
  };

  // Generations in their order.
  void add(const zlayer::WalFacts& facts, std::uint32_t generation);
  // Of a page in what a generation rests on.
  void add_base(PageNo page, std::uint32_t generation, std::uint64_t hash);

  // By page; of each in the order of their moments.
  [[nodiscard]] const std::unordered_map<std::uint32_t, std::vector<Image>>& all() const noexcept {
    return of_page_;
  }
  // For a snapshot that may be the base of `generation`. Looks at all images.
  [[nodiscard]] ZlayerEvidence weigh(const zlayer::SnapshotFacts& snapshot,
                                     std::uint32_t generation) const;

 private:
  std::unordered_map<std::uint32_t, std::vector<Image>> of_page_;
};

}  // namespace epochfs::engine
