#include "engine/storage/temporary_directory.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "engine/storage/leftovers.h"

namespace epochfs::engine {

Result<TemporaryDirectory> TemporaryDirectory::create(const std::string& parent) {
  std::string path = parent + "/epochfs-XXXXXX";
  if (!make_leftover(path, [&] { return ::mkdtemp(path.data()) != nullptr; }))
    return Error::from_errno(errno, fmt::format("cannot make a directory in {}", parent));
  return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  forget_leftover(path_);
}

std::string temporary_parent() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && chosen[0] == '/' ? chosen : "/tmp";
}

}  // namespace epochfs::engine
