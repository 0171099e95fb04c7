// Names of ZLayer's epochs that stay what they are when an object that comes late, or goes, shifts
// the numbers.
#pragma once

#include <string>
#include <string_view>

#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine::zlayer {

// Of a commit "1f3a9c02-4-17": lineage of the log, its checkpoints, the frame. Of a snapshot that
// stands for itself "s20260110_000512".
std::string epoch_name(const native::EpochFacts& facts);
// Whether the text could be one.
[[nodiscard]] bool is_epoch_name(std::string_view text) noexcept;

}  // namespace epochfs::engine::zlayer
