// A storage in memory, with the contract of every other one: for tests and tools.
//
// Threads   as storage.h says
// Lifetime  blobs, uploads and locks may outlive the storage
#pragma once

#include <memory>
#include <string>

#include "engine/storage/storage.h"

namespace epochfs::engine {

// Empty at first, like a root directory that does not exist yet. `location` is for messages only.
std::shared_ptr<Storage> make_memory_storage(std::string location = "memory");

}  // namespace epochfs::engine
