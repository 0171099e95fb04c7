#include "engine/storage/memory_storage.h"

#include <fmt/format.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

struct Object {
  Bytes bytes;
  std::string version;
  UtcTime modified;
};

// What is stored; shared by the storage and its uploads and locks. All of it under the mutex.
struct State {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Object>, std::less<>> objects;
  std::set<std::string, std::less<>> directories;  // "" is the root
  std::set<std::string, std::less<>> locked;       // directories that have a writer
  std::condition_variable lock_released;
  std::uint64_t versions = 0;
};

// The functions with `state` first are called under its mutex.

void make_directories(State& state, std::string_view directory) {
  for (; !directory.empty(); directory = directory_of(directory))
    state.directories.emplace(directory);
  state.directories.emplace();
}

std::shared_ptr<const Object> find(const State& state, std::string_view name) {
  const auto at = state.objects.find(name);
  return at == state.objects.end() ? nullptr : at->second;
}

void store(State& state, std::string_view name, Bytes bytes) {
  Object object{std::move(bytes), fmt::format("{}", ++state.versions), utc_now()};
  state.objects.insert_or_assign(std::string(name),
                                 std::make_shared<const Object>(std::move(object)));
}

class MemoryBlob final : public Blob {
 public:
  MemoryBlob(std::shared_ptr<const Object> object, std::string what)
      : object_(std::move(object)), what_(std::move(what)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return object_->bytes.size(); }
  [[nodiscard]] const std::string& version() const noexcept override { return object_->version; }

  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    TRY(check_inside(size_bytes(), offset, out.size(), what_));
    const ByteView from = ByteView(object_->bytes).subspan(offset, out.size());
    copy_bytes(from, out);
    return {};
  }

 private:
  std::shared_ptr<const Object> object_;
  std::string what_;
};

class MemoryUpload final : public Upload {
 public:
  MemoryUpload(std::shared_ptr<State> state, std::string name, std::string what)
      : state_(std::move(state)), name_(std::move(name)), what_(std::move(what)) {}

  Result<void> append(ByteView bytes) override {
    if (finished_) return Error::io(what_ + ": the upload has ended");
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Result<void> finish() override {
    if (finished_) return Error::io(what_ + ": the upload has ended");
    finished_ = true;
    const std::lock_guard lock(state_->mutex);
    if (find(*state_, name_)) return Error::exists(what_ + ": exists");
    store(*state_, name_, std::move(bytes_));
    return {};
  }

 private:
  std::shared_ptr<State> state_;
  std::string name_;
  std::string what_;
  Bytes bytes_;
  bool finished_ = false;
};

class MemoryWriterLock final : public WriterLock {
 public:
  MemoryWriterLock(std::shared_ptr<State> state, std::string directory)
      : state_(std::move(state)), directory_(std::move(directory)) {}
  ~MemoryWriterLock() override {
    const std::lock_guard lock(state_->mutex);
    state_->locked.erase(directory_);
    state_->lock_released.notify_all();
  }

 private:
  std::shared_ptr<State> state_;
  std::string directory_;
};

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(std::string location) : location_(std::move(location)) {}

  [[nodiscard]] std::string location() const override { return location_; }

  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override {
    TRY_ASSIGN(auto object, existing(name));
    return std::make_shared<const MemoryBlob>(std::move(object), describe(name));
  }

  Result<ObjectInfo> stat(std::string_view name) const override {
    TRY_ASSIGN(const auto object, existing(name));
    return ObjectInfo{std::string(leaf_of(name)), object->bytes.size(), object->version};
  }

  Result<Listing> list(std::string_view directory) const override {
    TRY(check_directory_name(directory));
    const std::lock_guard lock(state_->mutex);
    if (!state_->directories.contains(directory))
      return Error::not_found(describe(directory) + ": no such directory");
    Listing listing;
    for (const std::string& path : state_->directories) {
      if (!path.empty() && directory_of(path) == directory)
        listing.directories.emplace_back(leaf_of(path));
    }
    for (const auto& [path, object] : state_->objects) {
      if (directory_of(path) == directory)
        listing.objects.push_back(
            {std::string(leaf_of(path)), object->bytes.size(), object->version, object->modified});
    }
    return listing;
  }

  Result<std::unique_ptr<Upload>> create(std::string_view name) override {
    TRY(check_object_name(name));
    const std::lock_guard lock(state_->mutex);
    make_directories(*state_, directory_of(name));
    return std::make_unique<MemoryUpload>(state_, std::string(name), describe(name));
  }

  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override {
    TRY(check_object_name(name));
    const std::lock_guard lock(state_->mutex);
    const auto there = find(*state_, name);
    const auto version = there ? std::optional(there->version) : std::nullopt;
    if (version != expected) return Error::locked(describe(name) + ": changed by another writer");
    make_directories(*state_, directory_of(name));
    store(*state_, name, Bytes(content.begin(), content.end()));
    return {};
  }

  Result<void> remove(std::string_view name) override {
    TRY(check_object_name(name));
    const std::lock_guard lock(state_->mutex);
    if (const auto at = state_->objects.find(name); at != state_->objects.end())
      state_->objects.erase(at);
    return {};
  }

  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool wait) override {
    TRY(check_directory_name(directory));
    std::unique_lock lock(state_->mutex);
    make_directories(*state_, directory);
    const auto is_free = [&] { return !state_->locked.contains(directory); };
    if (wait) state_->lock_released.wait(lock, is_free);
    if (!is_free()) return Error::locked(describe(directory) + ": another writer is at work");
    state_->locked.emplace(directory);
    return std::make_unique<MemoryWriterLock>(state_, std::string(directory));
  }

 private:
  Result<std::shared_ptr<const Object>> existing(std::string_view name) const {
    TRY(check_object_name(name));
    const std::lock_guard lock(state_->mutex);
    auto object = find(*state_, name);
    if (!object) return Error::not_found(describe(name) + ": no such object");
    return object;
  }

  const std::string location_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

std::shared_ptr<Storage> make_memory_storage(std::string location) {
  return std::make_shared<MemoryStorage>(std::move(location));
}

}  // namespace epochfs::engine
