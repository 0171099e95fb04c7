#include "engine/storage/output_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "engine/storage/leftovers.h"
#include "engine/storage/output_file.h"

namespace epochfs::engine {
namespace {

constexpr mode_t kPrivateDirectory =
    0700;  // as what lies in it: whoever may read it is the user's business

std::filesystem::path parent_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

// Without exclusive renames (some network filesystems) the look before has to do.
int rename_exclusively(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (file_exists(to)) {
    errno = EEXIST;
    return -1;
  }
  return ::rename(from.c_str(), to.c_str());
}

}  // namespace

Result<OutputDirectory> OutputDirectory::create(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  std::string temporary =
      parent_of(path) / fmt::format(".{}.{}.tmp", name.substr(0, 200), ::getpid());
  std::error_code ignored;
  std::filesystem::remove_all(temporary, ignored);  // of a process of our number that died
  if (!make_leftover(temporary, [&] { return ::mkdir(temporary.c_str(), kPrivateDirectory) == 0; }))
    return Error::from_errno(errno, fmt::format("create {}", temporary));
  return OutputDirectory(path, std::move(temporary));
}

OutputDirectory::OutputDirectory(OutputDirectory&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

OutputDirectory::~OutputDirectory() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
  forget_leftover(temporary_);
}

Result<void> OutputDirectory::commit() {
  if (rename_exclusively(temporary_, path_) != 0)
    return Error::from_errno(errno, fmt::format("create {}", path_));
  forget_leftover(temporary_);
  temporary_.clear();
  return sync_directory_of(path_);
}

}  // namespace epochfs::engine
