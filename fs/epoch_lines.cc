#include "fs/epoch_lines.h"

#include <algorithm>

#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::fs {

using engine::Result;

namespace {

std::string line_of(const engine::native::EpochFacts& facts) {
  engine::JsonObject object;
  object.set("epoch", facts.epoch.get())
      .set("committed", engine::format_utc(facts.committed))
      .set("size_bytes", facts.size_bytes);
  if (engine::native::has_pages(facts.how))
    object.set("pages_changed", facts.pages_changed).set("state_hash", facts.state.hex());
  else if (facts.how == engine::native::Captured::kLog)
    object.set("records", facts.pages_changed);
  object.set("how", engine::native::captured_name(facts.how));
  return object.line() + "\n";
}

}  // namespace

Result<engine::Pieces> EpochLines::read(std::uint64_t offset, std::size_t size) {
  const std::scoped_lock lock(mutex_);
  if (offset < text_begin_) {
    text_.clear();
    text_begin_ = 0;
    next_ = engine::Epoch();
    complete_ = false;
  }
  while (!complete_ && offset + size > text_begin_ + text_.size()) {
    TRY(append_chunk());
    const std::size_t passed = std::min<std::uint64_t>(offset - text_begin_, text_.size());
    text_.erase(0, passed);
    text_begin_ += passed;
  }
  if (offset >= text_begin_ + text_.size()) return engine::Pieces();
  const auto wanted = std::make_shared<const std::string>(text_.substr(offset - text_begin_, size));
  return engine::Pieces{{wanted, engine::as_bytes(*wanted)}};
}

Result<void> EpochLines::append_chunk() {
  constexpr std::size_t kEpochsPerChunk = 1024;
  TRY_ASSIGN(const auto epochs, timeline_->list(next_, kEpochsPerChunk));
  complete_ = epochs.empty();
  for (const auto& facts : epochs) {
    text_ += line_of(facts);
    next_ = engine::Epoch(facts.epoch.get() + 1);
  }
  return {};
}

}  // namespace epochfs::fs
