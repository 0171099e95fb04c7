#include "engine/storage/local_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "engine/core/handle.h"
#include "engine/storage/local_files.h"
#include "engine/storage/local_upload.h"

namespace epochfs::engine {
namespace {

using local::LocalUpload;

constexpr const char* kLockFile = ".lock";

class LocalBlob final : public Blob {
 public:
  LocalBlob(UniqueFd file, const struct stat& status, std::string what)
      : file_(std::move(file)),
        size_bytes_(static_cast<std::uint64_t>(status.st_size)),
        version_(local::version_of(status)),
        what_(std::move(what)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return size_bytes_; }
  [[nodiscard]] const std::string& version() const noexcept override { return version_; }

  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    TRY(check_inside(size_bytes_, offset, out.size(), what_));
    return local::read_exactly(file_, offset, out, what_);
  }

 private:
  UniqueFd file_;
  std::uint64_t size_bytes_;
  std::string version_;
  std::string what_;
};

class LocalWriterLock final : public WriterLock {
 public:
  explicit LocalWriterLock(UniqueFd file) : file_(std::move(file)) {}
  // Said, not left to close(): a child of this process may hold the descriptor too.
  ~LocalWriterLock() override { local::lock_file(file_, LOCK_UN); }

 private:
  UniqueFd file_;
};

// The open directory, entry by entry.
class DirectoryReader {
 public:
  static Result<DirectoryReader> open(UniqueFd directory, const std::string& what) {
    DIR* const stream = ::fdopendir(directory.get());
    if (stream == nullptr) return Error::from_errno(errno, what);
    static_cast<void>(directory.release());  // the stream's by now
    return DirectoryReader(stream);
  }

  // The next name, valid until the next call; nullptr at the end.
  Result<const char*> next(const std::string& what) {
    errno = 0;
    const dirent* const entry = ::readdir(stream_.get());
    if (entry == nullptr && errno != 0) return Error::from_errno(errno, what);
    return entry == nullptr ? nullptr : entry->d_name;
  }
  // nullopt: gone by now.
  Result<std::optional<struct stat>> status_of(const char* name, const std::string& what) const {
    struct stat status {};
    if (::fstatat(::dirfd(stream_.get()), name, &status, AT_SYMLINK_NOFOLLOW) == 0)
      return std::optional(status);
    if (errno == ENOENT) return std::optional<struct stat>();
    return Error::from_errno(errno, what);
  }
  void remove(const char* name) const noexcept { ::unlinkat(::dirfd(stream_.get()), name, 0); }

 private:
  explicit DirectoryReader(DIR* stream) : stream_(stream) {}
  std::unique_ptr<DIR, ClosedBy<::closedir>> stream_;
};

Result<UniqueFd> open_directory(const std::string& root, std::string_view name,
                                const std::string& what) {
  TRY_ASSIGN(const UniqueFd root_directory, local::open_root(root, what));
  return local::open_beneath(root_directory, name.empty() ? "." : std::string(name),
                             O_RDONLY | O_DIRECTORY, what);
}

// What a dead writer left. What cannot be removed is in nobody's way: the next writer tries again.
Result<void> clear_leftovers(UniqueFd directory, const std::string& what) {
  TRY_ASSIGN(DirectoryReader entries, DirectoryReader::open(std::move(directory), what));
  for (;;) {
    TRY_ASSIGN(const char* const name, entries.next(what));
    if (name == nullptr) return {};
    if (std::string_view(name).starts_with(local::kTemporaryPrefix)) entries.remove(name);
  }
}

// Whether the lock file that was opened is still the one that everybody else would open.
Result<bool> is_current(const UniqueFd& directory, const struct stat& opened,
                        const std::string& what) {
  struct stat current {};
  if (::fstatat(directory.get(), kLockFile, &current, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    return Error::from_errno(errno, what);
  }
  return opened.st_dev == current.st_dev && opened.st_ino == current.st_ino;
}

Result<UniqueFd> take_lock(const UniqueFd& directory, bool wait, const std::string& what) {
  for (;;) {
    TRY_ASSIGN(UniqueFd file, local::open_beneath(directory, kLockFile, O_RDWR | O_CREAT, what));
    TRY_ASSIGN(const struct stat status, local::status_of_regular(file, what));
    const int error_number = local::lock_file(file, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    if (error_number == EWOULDBLOCK) return Error::locked(what + ": another writer is at work");
    if (error_number != 0) return Error::from_errno(error_number, what);
    // Somebody may have deleted the file while we waited for it.
    TRY_ASSIGN(const bool current, is_current(directory, status, what));
    if (current) return file;
  }
}

class LocalStorage final : public Storage {
 public:
  explicit LocalStorage(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] std::string location() const override { return root_; }

  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override {
    TRY(check_object_name(name));
    std::string what = describe(name);
    TRY_ASSIGN(const UniqueFd root, local::open_root(root_, what));
    TRY_ASSIGN(UniqueFd file, local::open_beneath(root, std::string(name), O_RDONLY, what));
    TRY_ASSIGN(const struct stat status, local::status_of_regular(file, what));
    return std::make_shared<const LocalBlob>(std::move(file), status, std::move(what));
  }

  Result<ObjectInfo> stat(std::string_view name) const override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    TRY_ASSIGN(const UniqueFd root, local::open_root(root_, what));
    TRY_ASSIGN(const UniqueFd file, local::open_beneath(root, std::string(name), O_PATH, what));
    TRY_ASSIGN(const struct stat status, local::status_of_regular(file, what));
    return info_of(std::string(leaf_of(name)), status);
  }

  Result<Listing> list(std::string_view directory) const override {
    TRY(check_directory_name(directory));
    const std::string what = describe(directory);
    TRY_ASSIGN(UniqueFd opened, open_directory(root_, directory, what));
    TRY_ASSIGN(DirectoryReader entries, DirectoryReader::open(std::move(opened), what));
    Listing listing;
    for (;;) {
      TRY_ASSIGN(const char* const name, entries.next(what));
      if (name == nullptr) break;
      if (!check_object_name(name)) continue;
      TRY_ASSIGN(const auto status, entries.status_of(name, what));
      if (status && S_ISDIR(status->st_mode)) listing.directories.emplace_back(name);
      if (status && S_ISREG(status->st_mode)) listing.objects.push_back(info_of(name, *status));
    }
    std::ranges::sort(listing.directories);
    std::ranges::sort(listing.objects, {}, &ObjectInfo::name);
    return listing;
  }

  Result<std::unique_ptr<Upload>> create(std::string_view name) override {
    TRY(check_object_name(name));
    std::string what = describe(name);
    TRY_ASSIGN(UniqueFd directory, local::make_directories(root_, directory_of(name), what));
    return LocalUpload::begin(std::move(directory), std::string(leaf_of(name)), std::move(what));
  }

  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    TRY_ASSIGN(UniqueFd directory, local::make_directories(root_, directory_of(name), what));
    TRY_ASSIGN(const auto upload,
               LocalUpload::begin_named(std::move(directory), std::string(leaf_of(name)), what));
    TRY(upload->append(content));
    if (expected) return upload->finish_over(*expected);
    Result<void> created = upload->finish();
    if (!created && created.error().code == Code::kExists)
      return Error::locked(what + ": created by another writer");
    return created;
  }

  Result<void> remove(std::string_view name) override {
    TRY(check_object_name(name));
    const std::string what = describe(name);
    const auto directory = open_directory(root_, directory_of(name), what);
    if (!directory) {
      if (directory.error().code == Code::kNotFound) return {};
      return tl::unexpected(directory.error());
    }
    TRY(local::lock_directory(*directory, what));
    if (::unlinkat(directory->get(), std::string(leaf_of(name)).c_str(), 0) != 0) {
      if (errno == ENOENT) return {};
      return Error::from_errno(errno, what);
    }
    return local::sync_directory(*directory, what);
  }

  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool wait) override {
    TRY(check_directory_name(directory));
    const std::string what = describe(directory);
    TRY_ASSIGN(UniqueFd opened, local::make_directories(root_, directory, what));
    TRY_ASSIGN(UniqueFd file, take_lock(opened, wait, what));
    auto lock = std::make_unique<LocalWriterLock>(std::move(file));
    TRY(clear_leftovers(std::move(opened), what));
    return lock;
  }

 private:
  static ObjectInfo info_of(std::string name, const struct stat& status) {
    constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
    return {std::move(name), static_cast<std::uint64_t>(status.st_size), local::version_of(status),
            UtcTime(status.st_mtim.tv_sec * kNanosPerSecond + status.st_mtim.tv_nsec)};
  }

  std::string root_;
};

// Absolute, because a process that goes into the background leaves its working directory.
std::string absolute_path(const std::string& path) {
  std::error_code failed;  // no working directory: the path as it is will not be found, and say so
  std::string absolute = std::filesystem::absolute(path, failed);
  if (failed) absolute = path;
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  return absolute;
}

}  // namespace

std::shared_ptr<Storage> open_local_storage(const std::string& root) {
  return std::make_shared<LocalStorage>(absolute_path(root));
}

}  // namespace epochfs::engine
