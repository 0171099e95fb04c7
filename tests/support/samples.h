// Tests that go through all cases of something do so in ordinary builds. Where a sanitizer makes
// each case many times slower, or there are too many, they take one of so many, and begin at
// another one in each run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace epochfs::test {

// It looks at how, not at which.
constexpr std::size_t one_of_many_under_sanitizers([[maybe_unused]] std::size_t many) {
#ifdef EPOCHFS_SANITIZED
  return many;
#else
  return 1;
#endif
}

// $EPOCHFS_TEST_SEED, to see a failure once more, or a new one each time.
inline std::uint64_t test_seed() {
  const char* const given = std::getenv("EPOCHFS_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// A place below `many` to begin at; says on stdout with which seed it is the same again.
inline std::size_t first_sample(std::size_t many) {
  if (many <= 1) return 0;
  const std::uint64_t seed = test_seed();
  const std::size_t first = std::mt19937_64(seed)() % many;
  std::cout << "sample " << first << " of " << many << ": EPOCHFS_TEST_SEED=" << seed << "\n";
  return first;
}

}  // namespace epochfs::test
