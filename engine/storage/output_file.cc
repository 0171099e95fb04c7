#include "engine/storage/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

namespace epochfs::engine {
namespace {

// Nothing tells who could read the file that this is a copy of.
constexpr mode_t kPrivate = 0600;
constexpr std::uint64_t kStretchBytes = 8 * 1024 * 1024;

Failure failed(std::string_view what, const std::string& path) {
  return Error::from_errno(errno, fmt::format("{} {}", what, path));
}

std::string hidden_name(const std::string& directory, const std::string& name) {
  return fmt::format("{}/.{}.{}.tmp", directory, name.substr(0, 200), ::getpid());
}

Result<void> sync_directory(const std::string& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return failed("sync", directory);
  return {};
}

// Absent is fine.
Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path);
  return {};
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path, bool replace) {
  const std::filesystem::path whole(path);
  const std::string name = whole.filename().string();
  std::string directory = whole.parent_path().string();
  if (directory.empty()) directory = ".";
  if (name.empty() || name == "." || name == "..")
    return Error::invalid(fmt::format("{} does not name a file", path));
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!replace) return Error::exists(fmt::format("{} exists", path));
    if (!S_ISREG(status.st_mode))
      return Error::invalid(fmt::format("{} is not a regular file", path));
  }
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kPrivate));
  if (fd) return OutputFile(std::move(fd), directory, path, "", replace);
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return failed("write to", directory);
  const std::string temporary = hidden_name(directory, name);
  fd = UniqueFd(::open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kPrivate));
  if (!fd) return failed("create", temporary);
  return OutputFile(std::move(fd), directory, path, temporary, replace);
}

OutputFile::OutputFile(UniqueFd fd, std::string directory, std::string path, std::string temporary,
                       bool replace)
    : fd_(std::move(fd)),
      directory_(std::move(directory)),
      path_(std::move(path)),
      temporary_(std::move(temporary)),
      replace_(replace) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      directory_(std::move(other.directory_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      replace_(other.replace_) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::uint64_t offset, ByteView bytes) const {
  const std::uint64_t begin = offset;
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  // On its way to the disk while the rest is decoded, so that little is left to sync; in long
  // stretches, because each beginning costs. Not every filesystem can; it is all the same in the
  // end.
  const std::uint64_t stretch = begin / kStretchBytes;
  if (offset / kStretchBytes > stretch)
    ::sync_file_range(fd_.get(), static_cast<off_t>(stretch * kStretchBytes),
                      static_cast<off_t>((offset / kStretchBytes - stretch) * kStretchBytes),
                      SYNC_FILE_RANGE_WRITE);
  return {};
}

Result<void> OutputFile::commit(std::uint64_t size_bytes, UtcTime modified) {
  TRY(make_durable(size_bytes, modified));
  TRY(give_name());
  return sync_directory(directory_);
}

Result<void> OutputFile::make_durable(std::uint64_t size_bytes, UtcTime modified) const {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) != 0) return failed("size", path_);
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = modified.get() / kSecond;
  std::int64_t nanos = modified.get() % kSecond;
  if (nanos < 0) nanos += kSecond, --seconds;
  const timespec time{seconds, nanos};
  const std::array<timespec, 2> times = {time, time};
  if (::futimens(fd_.get(), times.data()) != 0) return failed("set the time of", path_);
  if (::fsync(fd_.get()) != 0) return failed("sync", path_);
  return {};
}

Result<void> OutputFile::link_as(const std::string& path) const {
  const std::string source =
      temporary_.empty() ? fmt::format("/proc/self/fd/{}", fd_.get()) : temporary_;
  if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return failed("create", path);
  return {};
}

Result<std::string> OutputFile::hidden_path() {
  if (!temporary_.empty()) return temporary_;
  const std::string hidden =
      hidden_name(directory_, std::filesystem::path(path_).filename().string());
  TRY(remove_file(hidden));
  TRY(link_as(hidden));
  temporary_ = hidden;
  return temporary_;
}

Result<void> OutputFile::give_name() {
  if (!replace_) {
    TRY(link_as(path_));
  } else {
    TRY(hidden_path());
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("replace", path_);
    temporary_.clear();
  }
  return {};
}

Result<void> write_all(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write to", "the output");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> sync_directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return sync_directory(directory.empty() ? "." : directory);
}

bool file_exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace epochfs::engine
