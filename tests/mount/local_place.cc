#include "tests/mount/repository_place.h"

namespace epochfs::test {

RepositoryPlace repository_place(const std::string& directory) {
  return {directory + "/repository", {}};
}

}  // namespace epochfs::test
