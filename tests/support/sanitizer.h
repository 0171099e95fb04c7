// Tests that go through all cases of something do so in ordinary builds. Where a sanitizer makes
// each case many times slower they take one of so many: it looks at how, not at which.
#pragma once

#include <cstddef>

namespace epochfs::test {

constexpr std::size_t one_of_many_under_sanitizers([[maybe_unused]] std::size_t many) {
#ifdef EPOCHFS_SANITIZED
  return many;
#else
  return 1;
#endif
}

}  // namespace epochfs::test
