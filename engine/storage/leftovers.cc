#include "engine/storage/leftovers.h"

#include <filesystem>
#include <mutex>
#include <set>

namespace epochfs::engine {
namespace {

struct Noted {
  std::mutex mutex;
  std::set<std::string> paths;
};

Noted& noted() {
  static Noted instance;
  return instance;
}

}  // namespace

bool make_leftover(const std::string& path, const std::function<bool()>& make) {
  const std::lock_guard lock(noted().mutex);
  if (!make()) return false;
  noted().paths.insert(path);
  return true;
}

void forget_leftover(const std::string& path) {
  const std::lock_guard lock(noted().mutex);
  noted().paths.erase(path);
}

void remove_leftovers() {
  constexpr int kTries = 100;  // while others put more into it
  noted().mutex.lock();        // for good
  for (const std::string& path : noted().paths) {
    std::error_code failure;
    for (int i = 0; i < kTries && (i == 0 || failure); ++i)
      std::filesystem::remove_all(path, failure);
  }
}

}  // namespace epochfs::engine
