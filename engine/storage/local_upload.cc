#include "engine/storage/local_upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "engine/storage/local_files.h"

namespace epochfs::engine::local {
namespace {

std::string path_of(const UniqueFd& file) { return fmt::format("/proc/self/fd/{}", file.get()); }

// A file without a name, or none where the filesystem has no such files or, without /proc, they
// could not be given a name later.
UniqueFd open_unnamed(const UniqueFd& directory) {
  UniqueFd file(::openat(directory.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kPrivateFile));
  if (file && ::faccessat(AT_FDCWD, path_of(file).c_str(), F_OK, 0) != 0) file.reset();
  return file;
}

std::string next_temporary_name() {
  static std::atomic<unsigned> counter = 0;
  return fmt::format("{}{}-{}", kTemporaryPrefix, ::getpid(), counter++);
}

}  // namespace

LocalUpload::LocalUpload(UniqueFd directory, std::string leaf, std::string what)
    : directory_(std::move(directory)), leaf_(std::move(leaf)), what_(std::move(what)) {}

LocalUpload::~LocalUpload() { discard_temporary(); }

Result<std::unique_ptr<LocalUpload>> LocalUpload::begin(UniqueFd directory, std::string leaf,
                                                        std::string what) {
  std::unique_ptr<LocalUpload> upload(
      new LocalUpload(std::move(directory), std::move(leaf), std::move(what)));
  upload->file_ = open_unnamed(upload->directory_);
  if (!upload->file_) TRY(upload->create_temporary());
  return upload;
}

Result<std::unique_ptr<LocalUpload>> LocalUpload::begin_named(UniqueFd directory, std::string leaf,
                                                              std::string what) {
  std::unique_ptr<LocalUpload> upload(
      new LocalUpload(std::move(directory), std::move(leaf), std::move(what)));
  TRY(upload->create_temporary());
  return upload;
}

Result<void> LocalUpload::create_temporary() {
  // Another machine or container may have used the same process number here: take the next name.
  do {
    temporary_name_ = next_temporary_name();
    file_ = UniqueFd(::openat(directory_.get(), temporary_name_.c_str(),
                              O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, kPrivateFile));
  } while (!file_ && (errno == EEXIST || errno == EINTR));
  if (file_) return {};
  temporary_name_.clear();
  return Error::from_errno(errno, what_);
}

Result<void> LocalUpload::append(ByteView bytes) {
  if (!file_ || incomplete_) return Error::io(what_ + ": the upload has ended");
  Result<void> written = write_all(file_, bytes, what_);
  incomplete_ = !written;
  return written;
}

Result<void> LocalUpload::finish() {
  TRY(seal());
  TRY(publish());
  auto durable = sync_directory(directory_, what_);
  if (!durable) ::unlinkat(directory_.get(), leaf_.c_str(), 0);  // a failure leaves nothing behind
  return durable;
}

Result<void> LocalUpload::finish_over(const std::string& expected) {
  TRY(seal());
  TRY(lock_directory(directory_, what_));
  TRY(check_version(expected));
  if (::renameat(directory_.get(), temporary_name_.c_str(), directory_.get(), leaf_.c_str()) != 0)
    return Error::from_errno(errno, what_);
  temporary_name_.clear();
  return sync_directory(directory_, what_);
}

// Makes the content durable. What is written once is written for good: no second finish.
Result<void> LocalUpload::seal() {
  if (!file_ || incomplete_) return Error::io(what_ + ": the upload is not complete");
  // The kernel stamps files by a clock of milliseconds, in which an object can be replaced twice
  // and the inode number come back. With a time of nanoseconds no two versions look the same. Where
  // times cannot be set the kernel's will have to do.
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec times[] = {now, now};
  static_cast<void>(::futimens(file_.get(), times));
  TRY(sync_file(file_, what_));
  return {};
}

// Gives the file its name, if nothing has it yet.
Result<void> LocalUpload::publish() {
  const UniqueFd file = std::move(file_);
  if (temporary_name_.empty()) {
    if (::linkat(AT_FDCWD, path_of(file).c_str(), directory_.get(), leaf_.c_str(),
                 AT_SYMLINK_FOLLOW) != 0)
      return Error::from_errno(errno, what_);
    return {};
  }
  if (::renameat2(directory_.get(), temporary_name_.c_str(), directory_.get(), leaf_.c_str(),
                  RENAME_NOREPLACE) == 0) {
    temporary_name_.clear();
    return {};
  }
  // Filesystems without exclusive rename (NFS, some of FUSE) have hard links.
  if (errno != EINVAL && errno != ENOSYS) return Error::from_errno(errno, what_);
  if (::linkat(directory_.get(), temporary_name_.c_str(), directory_.get(), leaf_.c_str(), 0) != 0)
    return Error::from_errno(errno, what_);
  discard_temporary();
  return {};
}

Result<void> LocalUpload::check_version(const std::string& expected) const {
  struct stat status {};
  const bool there = ::fstatat(directory_.get(), leaf_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (!there && errno != ENOENT) return Error::from_errno(errno, what_);
  if (!there || !S_ISREG(status.st_mode) || version_of(status) != expected)
    return Error::locked(what_ + ": changed by another writer");
  return {};
}

void LocalUpload::discard_temporary() noexcept {
  if (!temporary_name_.empty()) ::unlinkat(directory_.get(), temporary_name_.c_str(), 0);
  temporary_name_.clear();
}

}  // namespace epochfs::engine::local
