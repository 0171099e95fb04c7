// An epoch's facts in words and as JSON, the same in every command.
#pragma once

#include <string>
#include <string_view>

#include "engine/formats/json/json_text.h"
#include "engine/formats/native/segment_layout.h"

namespace epochfs::tools {

std::string_view captured_name(engine::native::Captured how) noexcept;  // "commit", "page-diff"
engine::JsonObject epoch_json(const engine::native::EpochFacts& facts);
// One line of `log`.
std::string epoch_line(const engine::native::EpochFacts& facts);

}  // namespace epochfs::tools
