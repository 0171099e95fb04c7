// A file that is made when its epoch is opened: epoch.json, SQLite's side files.
#pragma once

#include <memory>
#include <string_view>

#include "engine/view/view.h"

namespace epochfs::engine {

class InlineFile final : public File {
 public:
  explicit InlineFile(std::string_view text)
      : bytes_(std::make_shared<const Bytes>(to_bytes(text))) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return bytes_->size(); }
  Result<Pieces> read(ByteRange range) const override {
    return Pieces{Piece{bytes_, ByteView(*bytes_).subspan(range.begin, range.size)}};
  }
  void prefetch(ByteRange) const override {}

 private:
  std::shared_ptr<const Bytes> bytes_;
};

}  // namespace epochfs::engine
