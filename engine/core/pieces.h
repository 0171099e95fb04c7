// Bytes that live somewhere else, passed on without a copy.
#pragma once

#include <memory>
#include <vector>

#include "engine/core/bytes.h"

namespace epochfs::engine {

struct Piece {
  std::shared_ptr<const void> owner;  // keeps the bytes alive
  ByteView bytes;
};
using Pieces = std::vector<Piece>;

}  // namespace epochfs::engine
