// The newest state of a prefix in ZLayer's layout, and everything that going on from it takes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/capture/snapshot.h"
#include "engine/formats/zlayer/tail.h"

namespace epochfs::engine {

struct ZlayerTip {
  Epoch epoch;                       // as readers number it
  std::string snapshot;              // the object that the generation rests on
  std::uint64_t snapshot_bytes = 0;  // stored
  std::uint64_t chain_bytes = 0;     // of all copies of the generation
  zlayer::Claim claim;               // of the newest object
  std::optional<native::Cursor> cursor;
  std::vector<std::uint64_t> pages;  // XXH3-64 of each

  [[nodiscard]] bool has_copy() const noexcept { return claim.kind == zlayer::Claim::Kind::kCopy; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept {
    return std::uint64_t{claim.pages} * claim.page_size.bytes();
  }
  // For the capture. Refers to this tip.
  [[nodiscard]] KnownState known() const;
};

// What the pages add up to.
StateHash state_of(const std::vector<std::uint64_t>& pages, PageSize page_size) noexcept;

// In the claim: where the source was left when the object was made. nullopt: nobody knows.
std::optional<native::Cursor> cursor_of(const zlayer::Claim& claim);

}  // namespace epochfs::engine
