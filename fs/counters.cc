#include "fs/counters.h"

#include <algorithm>

namespace epochfs::fs {

std::string_view operation_name(Operation operation) noexcept {
  constexpr std::array<std::string_view, kOperationCount> kNames = {
      "lookup",  "getattr", "readlink", "open",  "read",  "seek",
      "opendir", "readdir", "statfs",   "xattr", "modify"};
  return kNames[static_cast<std::size_t>(operation)];
}

bool Counters::any_request() const noexcept {
  return std::any_of(counts_.begin(), counts_.end(),
                     [](const Count& count) { return count.requests > 0; });
}

}  // namespace epochfs::fs
