// Walks over the epochs of a timeline in either direction, in bounded memory, whatever its length.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/view/view.h"

namespace epochfs::tools {

// A failure ends the walk and is returned.
using EpochVisitor = std::function<engine::Result<void>(const engine::native::EpochFacts&)>;

// The newest `count_max` epochs that are not before `first`; newest first.
engine::Result<void> walk_backward(const engine::Timeline& timeline, engine::Epoch first,
                                   std::uint64_t count_max, const EpochVisitor& visit);
// The same epochs, oldest first.
engine::Result<void> walk_forward(const engine::Timeline& timeline, engine::Epoch first,
                                  std::uint64_t count_max, const EpochVisitor& visit);

}  // namespace epochfs::tools
