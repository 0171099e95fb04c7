// What the repositories in tests/golden must give back.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace epochfs::test {

struct GoldenEpoch {
  std::uint64_t number = 0;
  std::uint64_t size_bytes = 0;
  std::string sha256;  // as 64 hex digits
};

// Out of a file with lines `epoch size sha256`; the test fails when there are none.
inline std::vector<GoldenEpoch> golden_epochs(const std::string& path) {
  std::vector<GoldenEpoch> epochs;
  std::ifstream in(path);
  for (GoldenEpoch epoch; in >> epoch.number >> epoch.size_bytes >> epoch.sha256;)
    epochs.push_back(epoch);
  EXPECT_TRUE(in.eof() && !epochs.empty()) << path;
  return epochs;
}

}  // namespace epochfs::test
