#include "engine/storage/range_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <vector>

#include "engine/core/handle.h"
#include "engine/core/hash.h"
#include "engine/storage/local_files.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

constexpr std::size_t kHashBytes = 8;
constexpr std::string_view kUnfinished = ".tmp-";
constexpr std::chrono::hours kUnfinishedFor{1};  // then whoever wrote it is dead

std::uint64_t hash_of(const std::string& key, ByteView bytes) {
  Xxh3 hash;
  hash.update(as_bytes(key));
  hash.update(bytes);
  return hash.value();
}

struct Kept {
  std::string path;
  std::uint64_t bytes = 0;
  files::file_time_type used;
};

// One look at a directory that others change meanwhile: what disappears is not there.
Result<std::vector<Kept>> list_kept(const std::string& directory) {
  std::vector<Kept> kept;
  std::error_code error;
  const auto dead_since = files::file_time_type::clock::now() - kUnfinishedFor;
  for (files::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    const std::uint64_t bytes = at->file_size(gone);
    const auto used = gone ? files::file_time_type() : at->last_write_time(gone);
    if (gone) continue;
    const bool unfinished = at->path().filename().string().starts_with(kUnfinished);
    if (!unfinished)
      kept.push_back({at->path(), bytes, used});
    else if (used < dead_since)
      ::unlink(at->path().c_str());
  }
  if (error && error != std::errc::no_such_file_or_directory)  // the directory may go as well
    return Error::from_errno(error.value(), directory);
  return kept;
}

}  // namespace

Result<std::shared_ptr<RangeCache>> RangeCache::open(std::string directory,
                                                     std::uint64_t bytes_max) {
  if (::mkdir(directory.c_str(), local::kPrivateDirectory) != 0 && errno != EEXIST)
    return Error::from_errno(errno, "create " + directory);
  const std::shared_ptr<RangeCache> cache(new RangeCache(std::move(directory), bytes_max));
  TRY(cache->trim());
  return cache;
}

std::string RangeCache::path_of(const std::string& key) const {
  const Sha256Digest digest = Sha256::of(as_bytes(key));
  return fmt::format("{}/{}", directory_, to_hex(ByteView(digest).first(16)));
}

std::optional<Bytes> RangeCache::get(const std::string& key, std::size_t size_bytes) {
  const std::string path = path_of(key);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  Bytes bytes(kHashBytes + size_bytes);
  struct stat status {};
  const bool whole =
      file && ::fstat(file.get(), &status) == 0 &&
      static_cast<std::uint64_t>(status.st_size) == bytes.size() &&
      local::read_exactly(file, 0, bytes, path) &&
      load_le<std::uint64_t>(bytes) == hash_of(key, ByteView(bytes).subspan(kHashBytes));
  if (!whole) {
    if (file) ::unlink(path.c_str());
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  ::futimens(file.get(), nullptr);  // used now
  hits_.fetch_add(1, std::memory_order_relaxed);
  bytes.erase(bytes.begin(), bytes.begin() + kHashBytes);
  return bytes;
}

void RangeCache::put(const std::string& key, ByteView bytes) {
  if (!store(path_of(key), key, bytes)) return;
  const std::uint64_t added = added_bytes_.fetch_add(bytes.size() + kHashBytes) + bytes.size();
  if (added < bytes_max_ / 16) return;
  const std::unique_lock lock(trimming_, std::try_to_lock);
  if (lock) [[maybe_unused]]
    const auto failed = trim();
}

void RangeCache::remove(const std::string& key) { ::unlink(path_of(key).c_str()); }

// Not synced: what a crash makes of it is found out by its hash.
Result<void> RangeCache::store(const std::string& path, const std::string& key,
                               ByteView bytes) const {
  ::mkdir(directory_.c_str(), local::kPrivateDirectory);  // somebody may have removed it
  const std::string temporary = fmt::format("{}/{}{}", directory_, kUnfinished, random_identity());
  const UniqueFd file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, local::kPrivateFile));
  if (!file) return Error::from_errno(errno, temporary);
  ByteWriter hash;
  hash.put_le(hash_of(key, bytes));
  auto written = local::write_all(file, hash.view(), temporary).and_then([&] {
    return local::write_all(file, bytes, temporary);
  });
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = Error::from_errno(errno, path);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<void> RangeCache::trim() {
  added_bytes_ = 0;
  TRY_ASSIGN(auto kept, list_kept(directory_));
  std::uint64_t bytes = 0;
  for (const Kept& file : kept) bytes += file.bytes;
  const std::uint64_t room = bytes_max_ / 8;
  std::ranges::sort(kept, {}, &Kept::used);
  for (const Kept& file : kept) {
    if (bytes <= bytes_max_ - room) break;
    ::unlink(file.path.c_str());
    bytes -= file.bytes;
  }
  return {};
}

namespace {

class CachedBlob final : public Blob {
 public:
  CachedBlob(std::shared_ptr<const Blob> blob, std::shared_ptr<RangeCache> cache, std::string name)
      : blob_(std::move(blob)), cache_(std::move(cache)), name_(std::move(name)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return blob_->size_bytes(); }
  [[nodiscard]] const std::string& version() const noexcept override { return blob_->version(); }

  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    TRY(check_inside(size_bytes(), offset, out.size(), name_));
    if (out.empty()) return {};
    const std::uint64_t end = (offset + out.size() - 1) / RangeCache::kPieceBytes + 1;
    std::uint64_t missing = end;  // the first of those that are not in the cache; end: none
    for (std::uint64_t piece = offset / RangeCache::kPieceBytes; piece < end; ++piece) {
      const auto bytes = cache_->get(key(piece), piece_bytes(piece));
      if (!bytes) {
        missing = std::min(missing, piece);
        continue;
      }
      if (missing != end) TRY(fetch(missing, piece, offset, out));
      missing = end;
      copy(*bytes, piece * RangeCache::kPieceBytes, offset, out);
    }
    return missing == end ? Result<void>() : fetch(missing, end, offset, out);
  }

  void forget(ByteRange range) const override {
    const std::uint64_t end = std::min(range.begin + range.size, size_bytes());
    for (std::uint64_t piece = range.begin / RangeCache::kPieceBytes;
         piece * RangeCache::kPieceBytes < end; ++piece)
      cache_->remove(key(piece));
    blob_->forget(range);
  }

 private:
  [[nodiscard]] std::string key(std::uint64_t piece) const {
    return fmt::format("{}\n{}\n{}\n{}", name_, version(), size_bytes(), piece);
  }
  [[nodiscard]] std::uint64_t piece_bytes(std::uint64_t piece) const noexcept {
    return std::min(RangeCache::kPieceBytes, size_bytes() - piece * RangeCache::kPieceBytes);
  }
  // Those of `bytes`, which begin at `begin` of the object, that `out` wants.
  static void copy(ByteView bytes, std::uint64_t begin, std::uint64_t offset, MutableByteView out) {
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min(begin + bytes.size(), offset + out.size());
    copy_bytes(ByteView(bytes).subspan(from - begin, to - from), out.subspan(from - offset));
  }
  // Pieces [first, end), all of them with one read.
  Result<void> fetch(std::uint64_t first, std::uint64_t end, std::uint64_t offset,
                     MutableByteView out) const {
    const std::uint64_t begin = first * RangeCache::kPieceBytes;
    Bytes bytes(std::min(end * RangeCache::kPieceBytes, size_bytes()) - begin);
    TRY(blob_->read(begin, bytes));
    for (std::uint64_t piece = first; piece < end; ++piece)
      cache_->put(key(piece), ByteView(bytes).subspan(piece * RangeCache::kPieceBytes - begin,
                                                      piece_bytes(piece)));
    copy(bytes, begin, offset, out);
    return {};
  }

  std::shared_ptr<const Blob> blob_;
  std::shared_ptr<RangeCache> cache_;
  std::string name_;
};

class CachedStorage final : public Storage {
 public:
  CachedStorage(std::shared_ptr<Storage> storage, std::shared_ptr<RangeCache> cache)
      : storage_(std::move(storage)), cache_(std::move(cache)) {}

  [[nodiscard]] std::string location() const override { return storage_->location(); }
  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override {
    TRY_ASSIGN(auto blob, storage_->open(name));
    return cached(std::move(blob), name);
  }
  Result<Tailed> open_with_tail(std::string_view name,
                                std::uint64_t tail_bytes_max) const override {
    TRY_ASSIGN(Tailed tailed, storage_->open_with_tail(name, tail_bytes_max));
    tailed.blob = cached(std::move(tailed.blob), name);
    return tailed;
  }
  Result<std::shared_ptr<const Blob>> open_known(std::string_view name, std::uint64_t size_bytes,
                                                 const std::string& version) const override {
    TRY_ASSIGN(auto blob, storage_->open_known(name, size_bytes, version));
    return cached(std::move(blob), name);
  }
  Result<ObjectInfo> stat(std::string_view name) const override { return storage_->stat(name); }
  Result<Listing> list(std::string_view directory) const override {
    return storage_->list(directory);
  }
  Result<Content> get(std::string_view name, std::uint64_t bytes_max) const override {
    return storage_->get(name, bytes_max);
  }
  Result<std::unique_ptr<Upload>> create(std::string_view name) override {
    return storage_->create(name);
  }
  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override {
    return storage_->replace(name, content, expected);
  }
  Result<void> remove(std::string_view name) override { return storage_->remove(name); }
  Result<void> remove_all(std::span<const std::string> names) override {
    return storage_->remove_all(names);
  }
  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool wait) override {
    return storage_->lock_writer(directory, wait);
  }
  [[nodiscard]] bool has_locks() const noexcept override { return storage_->has_locks(); }
  [[nodiscard]] bool is_remote() const noexcept override { return storage_->is_remote(); }

 private:
  [[nodiscard]] std::shared_ptr<const Blob> cached(std::shared_ptr<const Blob> blob,
                                                   std::string_view name) const {
    return std::make_shared<const CachedBlob>(std::move(blob), cache_, describe(name));
  }

  const std::shared_ptr<Storage> storage_;
  const std::shared_ptr<RangeCache> cache_;
};

}  // namespace

std::shared_ptr<Storage> make_cached_storage(std::shared_ptr<Storage> storage,
                                             std::shared_ptr<RangeCache> cache) {
  return std::make_shared<CachedStorage>(std::move(storage), std::move(cache));
}

}  // namespace epochfs::engine
