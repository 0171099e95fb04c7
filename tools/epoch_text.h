// An epoch's facts in words and as JSON, the same in every command.
#pragma once

#include <string>

#include "engine/formats/json/json_text.h"
#include "engine/formats/native/segment_layout.h"

namespace epochfs::tools {

engine::JsonObject epoch_json(const engine::native::EpochFacts& facts);
// One line of `log`.
std::string epoch_line(const engine::native::EpochFacts& facts);

}  // namespace epochfs::tools
