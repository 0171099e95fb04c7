// The same object for the same name as long as somebody holds it.
//
// Threads   any; opening one keeps the others waiting, so that nothing is opened twice
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::engine {

template <class Object>
class NamedObjects {
 public:
  // `open()` gives Result<std::shared_ptr<Object>>.
  template <class Open>
  Result<std::shared_ptr<Object>> get(const std::string& name, const Open& open) {
    const std::lock_guard lock(mutex_);
    if (const auto found = objects_.find(name); found != objects_.end()) {
      if (auto existing = found->second.lock()) return existing;
    }
    TRY_ASSIGN(std::shared_ptr<Object> opened, open());
    objects_[name] = opened;
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
};

}  // namespace epochfs::engine
