#include <fmt/format.h>

#include "tests/mount/repository_place.h"
#include "tests/s3/real_s3.h"

namespace epochfs::test {

RepositoryPlace repository_place(const std::string& /*directory*/) {
  RealS3::require();
  return {fmt::format("s3://{}/{}", RealS3::kBucket, RealS3::unused_prefix()),
          RealS3::environment()};
}

}  // namespace epochfs::test
