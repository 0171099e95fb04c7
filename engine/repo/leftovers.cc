#include "engine/storage/leftovers.h"

#include "engine/repo/operations.h"

namespace epochfs::engine {

void remove_temporary_copies() { remove_leftovers(); }

}  // namespace epochfs::engine
