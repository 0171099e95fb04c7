// For how long the kernel may believe what it was told about a place.
#pragma once

#include "fs/listing.h"

namespace epochfs::fs {

struct AttributeLifetime {
  double name_seconds = 0;  // that the name leads there
  double attributes_seconds = 0;
};
AttributeLifetime lifetime_of(NodeKind kind, const Attributes& attributes) noexcept;

// What is missing from an epoch's directory will never be in it; SQLite asks for `-journal` and the
// like on every open.
inline constexpr double kNeverSeconds = 24 * 60 * 60;

}  // namespace epochfs::fs
