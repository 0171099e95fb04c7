// Epochs that follow each other, as one value of the index: of each it says what is not as in the
// epoch before. Private to this room.
#pragma once

#include "engine/index/page_index.h"

namespace epochfs::engine::index_rows {

class EpochGroup {
 public:
  // Ascending; the first one names the group.
  void append(const EpochRow& row);
  void clear();

  [[nodiscard]] bool empty() const noexcept { return rows_ == 0; }
  // Four groups fill a page of LMDB's, and one is read in a microsecond or two.
  [[nodiscard]] bool is_full() const noexcept {
    return rows_ >= kRowsMax || bytes_.size() >= kBytesMax;
  }
  [[nodiscard]] Epoch first() const noexcept { return first_; }
  [[nodiscard]] Epoch last() const noexcept { return before_.facts.epoch; }
  [[nodiscard]] ByteView view() const noexcept { return bytes_.view(); }

 private:
  static constexpr std::size_t kRowsMax = 64;
  static constexpr std::size_t kBytesMax = 900;

  ByteWriter bytes_;
  std::size_t rows_ = 0;
  Epoch first_;
  EpochRow before_;
};

// Goes through a group.
class EpochGroupReader {
 public:
  // `first`: by which the group goes.
  EpochGroupReader(Epoch first, ByteView bytes);

  // The next epoch, valid until the call after; nullptr: there is no other. kCorrupt: not a group.
  Result<const EpochRow*> next();

 private:
  Result<void> read_row();

  ByteCursor in_;
  EpochRow row_;
};

}  // namespace epochfs::engine::index_rows
