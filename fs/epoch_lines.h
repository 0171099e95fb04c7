// .epochfs/epochs.jsonl: one line of JSON per epoch, made while it is read.
//
// Memory    one chunk of lines and what one read asks for, however many epochs there are
// Cost      in order: of the epochs read; going back starts over from the first epoch
#pragma once

#include <mutex>

#include "fs/open_file.h"

namespace epochfs::fs {

class EpochLines final : public OpenFile {
 public:
  explicit EpochLines(std::shared_ptr<const engine::Timeline> timeline)
      : timeline_(std::move(timeline)) {}

  engine::Result<engine::Pieces> read(std::uint64_t offset, std::size_t size) override;
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const noexcept override {
    return std::nullopt;
  }
  [[nodiscard]] bool never_changes() const noexcept override { return false; }

 private:
  engine::Result<void> append_chunk();

  const std::shared_ptr<const engine::Timeline> timeline_;
  std::mutex mutex_;
  std::string text_;              // lines made and not yet read past
  std::uint64_t text_begin_ = 0;  // where `text_` begins in the file
  engine::Epoch next_;
  bool complete_ = false;
};

}  // namespace epochfs::fs
