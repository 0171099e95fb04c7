#include "engine/storage/local_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace epochfs::engine::local {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

template <class Call>
auto retried(const Call& call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

Failure open_failure(int error_number, const std::string& what) {
  if (error_number == ELOOP)
    return Error::corrupt(what + ": a symbolic link is in the way, and none is followed here");
  if (error_number == ENXIO) return Error::corrupt(what + ": not a regular file");
  return Error::from_errno(error_number, what);
}

Result<UniqueFd> open_path(const std::string& path, int flags, const std::string& what) {
  UniqueFd opened(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC); }));
  if (!opened) return Error::from_errno(errno, what);
  return opened;
}

// The directory `leaf` in `parent`, created if it is missing.
Result<UniqueFd> make_directory(const UniqueFd& parent, const std::string& leaf,
                                const std::string& what) {
  auto existing = open_beneath(parent, leaf, kDirectoryFlags, what);
  if (existing || existing.error().system_errno != ENOENT) return existing;
  if (::mkdirat(parent.get(), leaf.c_str(), kPrivateDirectory) != 0 && errno != EEXIST)
    return Error::from_errno(errno, what);
  TRY(sync_directory(parent, what));
  return open_beneath(parent, leaf, kDirectoryFlags, what);
}

Result<UniqueFd> make_root(const std::filesystem::path& path, const std::string& what) {
  auto existing = open_path(path, kDirectoryFlags, what);
  if (existing || existing.error().system_errno != ENOENT || !path.has_relative_path())
    return existing;
  TRY_ASSIGN(const UniqueFd parent, make_root(path.parent_path(), what));
  return make_directory(parent, path.filename(), what);
}

}  // namespace

Result<UniqueFd> open_root(const std::string& path, const std::string& what) {
  return open_path(path, O_PATH | O_DIRECTORY, what);
}

Result<UniqueFd> open_beneath(const UniqueFd& directory, const std::string& name, int flags,
                              const std::string& what) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  if ((flags & O_PATH) == 0) how.flags |= O_NONBLOCK | O_NOCTTY;
  if ((flags & O_CREAT) != 0) how.mode = kPrivateFile;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  UniqueFd opened(static_cast<int>(retried(
      [&] { return ::syscall(SYS_openat2, directory.get(), name.c_str(), &how, sizeof(how)); })));
  if (!opened) return open_failure(errno, what);
  return opened;
}

Result<UniqueFd> make_directories(const std::string& root, std::string_view name,
                                  const std::string& what) {
  TRY_ASSIGN(UniqueFd directory, make_root(root, what));
  while (!name.empty()) {
    const std::string leaf(name.substr(0, name.find('/')));
    TRY_ASSIGN(directory, make_directory(directory, leaf, what));
    name.remove_prefix(std::min(name.size(), leaf.size() + 1));
  }
  return directory;
}

Result<struct stat> status_of_regular(const UniqueFd& file, const std::string& what) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Error::from_errno(errno, what);
  if (S_ISDIR(status.st_mode)) return Error::not_found(what + ": a directory, not an object");
  if (!S_ISREG(status.st_mode)) return Error::corrupt(what + ": not a regular file");
  return status;
}

std::string version_of(const struct stat& status) {
  return fmt::format("{:x}.{:x}.{:x}.{:x}.{:x}.{:x}.{:x}", status.st_dev, status.st_ino,
                     status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                     status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

Result<void> read_exactly(const UniqueFd& file, std::uint64_t offset, MutableByteView out,
                          const std::string& what) {
  while (!out.empty()) {
    const auto count = retried(
        [&] { return ::pread(file.get(), out.data(), out.size(), static_cast<off_t>(offset)); });
    if (count < 0) return Error::from_errno(errno, what);
    if (count == 0) return Error::io(fmt::format("{}: ends at byte {} by now", what, offset));
    out = out.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> write_all(const UniqueFd& file, ByteView bytes, const std::string& what) {
  while (!bytes.empty()) {
    const auto count = retried([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (count < 0) return Error::from_errno(errno, what);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> sync_file(const UniqueFd& file, const std::string& what) {
  if (retried([&] { return ::fsync(file.get()); }) != 0) return Error::from_errno(errno, what);
  return {};
}

Result<void> sync_directory(const UniqueFd& directory, const std::string& what) {
  const int result = retried([&] { return ::fsync(directory.get()); });
  // EINVAL: a filesystem that has nothing to sync for a directory.
  if (result != 0 && errno != EINVAL) return Error::from_errno(errno, what);
  return {};
}

Result<void> lock_directory(const UniqueFd& directory, const std::string& what) {
  const int error_number = lock_file(directory, LOCK_EX);
  // Network filesystems that map flock to byte ranges cannot lock what is open for reading only.
  // There the writer lock alone keeps others away.
  if (error_number != 0 && error_number != EBADF && error_number != EOPNOTSUPP)
    return Error::from_errno(error_number, what);
  return {};
}

int lock_file(const UniqueFd& file, int operation) noexcept {
  return retried([&] { return ::flock(file.get(), operation); }) == 0 ? 0 : errno;
}

}  // namespace epochfs::engine::local
