#include "engine/repo/repository.h"

#include "engine/repo/native_database.h"

namespace epochfs::engine {

Result<std::shared_ptr<Repository>> Repository::open(const RepositoryOptions& options) {
  return NativeRepository::open(options);
}

}  // namespace epochfs::engine
