// The same object for the same name as long as somebody holds it.
//
// Threads   any; opening one keeps the others waiting, so that nothing is opened twice. They are
// told
//           as well when the storage cannot be reached
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/shared_failure.h"

namespace epochfs::engine {

template <class Object>
class NamedObjects {
 public:
  // `open()` gives Result<std::shared_ptr<Object>>.
  template <class Open>
  Result<std::shared_ptr<Object>> get(const std::string& name, const Open& open) {
    const auto asked = SharedFailure::Clock::now();
    const std::lock_guard lock(mutex_);
    if (const auto found = objects_.find(name); found != objects_.end()) {
      if (auto existing = found->second.lock()) return existing;
    }
    if (const Error* const failure = failure_.since(asked)) return tl::unexpected(*failure);
    Result<std::shared_ptr<Object>> opened = open();
    failure_.note(opened);
    if (opened) objects_[name] = *opened;
    return opened;
  }

  // Those that somebody holds.
  [[nodiscard]] std::vector<std::shared_ptr<Object>> held() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Object>> found;
    for (const auto& [name, weak] : objects_) {
      if (auto object = weak.lock()) found.push_back(std::move(object));
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Object>> objects_;
  SharedFailure failure_;
};

}  // namespace epochfs::engine
