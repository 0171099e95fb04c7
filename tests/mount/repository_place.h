// Where a test program keeps its repositories: a directory here, a bucket in tests/s3_oracle.
#pragma once

#include <map>
#include <string>

namespace epochfs::test {

struct RepositoryPlace {
  std::string location;                            // as the command takes it
  std::map<std::string, std::string> environment;  // what the command needs to get there
};

// For one test, which has this directory to itself.
RepositoryPlace repository_place(const std::string& directory);

}  // namespace epochfs::test
