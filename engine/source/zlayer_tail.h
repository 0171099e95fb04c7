// The tail of a stored object (formats/zlayer/tail.h).
#pragma once

#include <optional>

#include "engine/formats/zlayer/tail.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// nullopt: the object is not one of ours. One range read, two where it has many frames. kCorrupt:
// it is one of ours, and damaged. Errors of the storage.
Result<std::optional<zlayer::Tail>> read_zlayer_tail(const Blob& blob);

}  // namespace epochfs::engine
