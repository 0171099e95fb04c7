// Changes whose batches are known beforehand and made one by one.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "engine/capture/snapshot.h"

namespace epochfs::engine {

class PlannedChanges final : public Changes {
 public:
  using MakeBatch = std::function<Result<std::unique_ptr<ChangeBatch>>()>;

  static std::unique_ptr<PlannedChanges> needing_full(std::string why) {
    auto changes = std::make_unique<PlannedChanges>();
    changes->needs_full_ = std::move(why);
    return changes;
  }
  void set_page_diff_reason(std::string reason) { page_diff_reason_ = std::move(reason); }
  void add(MakeBatch make) { makers_.push_back(std::move(make)); }

  const std::optional<std::string>& needs_full() const noexcept override { return needs_full_; }
  const std::string& page_diff_reason() const noexcept override { return page_diff_reason_; }
  Result<std::unique_ptr<ChangeBatch>> next() override {
    if (makers_.empty()) return nullptr;
    const MakeBatch make = std::move(makers_.front());
    makers_.pop_front();
    return make();
  }

 private:
  std::optional<std::string> needs_full_;
  std::string page_diff_reason_;
  std::deque<MakeBatch> makers_;
};

// The reason why an increment cannot be made when the page size is another one.
std::string page_size_changed(PageSize known, PageSize now);

}  // namespace epochfs::engine
