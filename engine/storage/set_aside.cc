#include "engine/storage/set_aside.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "engine/storage/output_file.h"

namespace epochfs::engine {
namespace {

std::string aside(const std::string& path) { return path + SetAside::kEnding; }

Result<void> remove_everything(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Error::from_errno(error.value(), fmt::format("remove {}", path));
  return {};
}

}  // namespace

std::optional<SetAside::Identity> SetAside::identity_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return Identity(status.st_dev, status.st_ino);
}

Result<SetAside> SetAside::take(std::vector<std::string> paths, std::string beside) {
  SetAside taken;
  taken.beside_ = std::move(beside);
  taken.identity_ = identity_of(taken.beside_);
  for (std::string& path : paths) {
    if (file_exists(path)) {
      TRY(remove_everything(aside(path)));
      if (std::rename(path.c_str(), aside(path).c_str()) != 0)
        return Error::from_errno(errno, fmt::format("rename {}", path));
      taken.moved_.push_back(path);
    }
    taken.paths_.push_back(std::move(path));
  }
  TRY(sync_directory_of(taken.beside_));
  return taken;
}

// A part of the old one beside one of the new would be a database that never was.
bool SetAside::may_go_back() const {
  const auto now = identity_of(beside_);
  return (!now || now == identity_) && std::ranges::none_of(paths_, file_exists);
}

SetAside::~SetAside() {
  if (moved_.empty() || !may_go_back()) return;
  for (const std::string& path : moved_)
    [[maybe_unused]] const int ignored = std::rename(aside(path).c_str(), path.c_str());
}

Result<void> SetAside::drop() {
  moved_.clear();
  for (const std::string& path : std::exchange(paths_, {})) TRY(remove_everything(aside(path)));
  return {};
}

}  // namespace epochfs::engine
