// Whether a name is taken, where a failed look must not pass for an answer.
#pragma once

#include <string_view>

#include "engine/storage/storage.h"

namespace epochfs::engine {

inline Result<bool> has_object(const Storage& storage, std::string_view name) {
  const auto info = storage.stat(name);
  if (!info && info.error().code != Code::kNotFound) return tl::unexpected(info.error());
  return info.has_value();
}

}  // namespace epochfs::engine
