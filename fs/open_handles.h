// What the kernel holds open. It tells when it lets go, except at the end of a mount: the last
// releases may never arrive, so what is still held then goes with the table.
//
// Threads   any
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace epochfs::fs {

template <class T>
class OpenHandles {
 public:
  // The number that the kernel sends along with every request.
  std::uint64_t add(std::unique_ptr<T> opened) {
    const auto handle = std::bit_cast<std::uint64_t>(opened.get());
    const std::scoped_lock lock(mutex_);
    held_.emplace(handle, std::move(opened));
    return handle;
  }

  // Of a handle that was added and not removed yet, as the kernel promises.
  static T& at(std::uint64_t handle) { return *std::bit_cast<T*>(handle); }

  void remove(std::uint64_t handle) {
    std::unique_ptr<T> closed;  // outside the lock
    const std::scoped_lock lock(mutex_);
    const auto found = held_.find(handle);
    if (found == held_.end()) return;
    closed = std::move(found->second);
    held_.erase(found);
  }

  [[nodiscard]] std::uint64_t count() const {
    const std::scoped_lock lock(mutex_);
    return held_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::unique_ptr<T>> held_;
};

}  // namespace epochfs::fs
