// The histories that make.py makes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace epochfs::test {

inline constexpr const char* kZlayerScenarios[] = {
    "plain",    "restarted",    "outranked",     "replaced",    "rolled-back", "shrinking",
    "reopened", "without-base", "other-machine", "small-pages", "large-pages"};

// As the name of a test has to be.
inline std::string scenario_name(const testing::TestParamInfo<const char*>& scenario) {
  std::string name = scenario.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace epochfs::test
