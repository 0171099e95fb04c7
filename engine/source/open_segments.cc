#include "engine/source/open_segments.h"

#include <cerrno>

namespace epochfs::engine {
namespace {

bool lacks_descriptors(const Error& error) {
  return error.system_errno == EMFILE || error.system_errno == ENFILE;
}

}  // namespace

Result<OpenSegments::BlobPtr> OpenSegments::get(std::uint64_t key,
                                                const std::function<Result<BlobPtr>()>& open) {
  if (BlobPtr blob = held(key)) return blob;
  auto opened = with_descriptors(open);
  if (opened) hold(key, *opened);
  return opened;
}

Result<OpenSegments::BlobPtr> OpenSegments::with_descriptors(
    const std::function<Result<BlobPtr>()>& attempt) {
  auto result = attempt();
  if (result || !lacks_descriptors(result.error())) return result;
  let_all_go();
  return attempt();
}

void OpenSegments::forget(std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  recent_.erase(found->second);
  by_key_.erase(found);
}

OpenSegments::BlobPtr OpenSegments::held(std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->blob;
}

void OpenSegments::hold(std::uint64_t key, const BlobPtr& blob) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;  // somebody else was as fast
  recent_.push_front(Held{key, blob});
  by_key_.emplace(key, recent_.begin());
  if (by_key_.size() <= kOpenSegmentsMax) return;
  by_key_.erase(recent_.back().key);
  recent_.pop_back();
}

void OpenSegments::put(std::uint64_t key, const BlobPtr& blob) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      found->second->blob = blob;
      return;
    }
  }
  hold(key, blob);
}

void OpenSegments::let_all_go() {
  const std::lock_guard lock(mutex_);
  by_key_.clear();
  recent_.clear();
}

}  // namespace epochfs::engine
