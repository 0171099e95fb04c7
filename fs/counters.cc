#include "fs/counters.h"

namespace epochfs::fs {

std::string_view operation_name(Operation operation) noexcept {
  constexpr std::array<std::string_view, kOperationCount> kNames = {
      "lookup",  "getattr", "readlink", "open",  "read",  "seek",
      "opendir", "readdir", "statfs",   "xattr", "modify"};
  return kNames[static_cast<std::size_t>(operation)];
}

}  // namespace epochfs::fs
