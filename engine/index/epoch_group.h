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
  // Whether it is the first one of its database.
  void set_leads(bool leads) noexcept { leads_ = leads; }

  [[nodiscard]] bool empty() const noexcept { return rows_ == 0; }
  // Four groups fill a page of LMDB's, and one is read in a microsecond or two.
  [[nodiscard]] bool is_full() const noexcept {
    return rows_ >= kRowsMax || bytes_.size() >= kBytesMax;
  }
  [[nodiscard]] Epoch first() const noexcept { return first_; }
  [[nodiscard]] Epoch last() const noexcept { return before_.facts.epoch; }
  // `behind`: the epoch by which the group behind it goes; nothing: it is the last.
  [[nodiscard]] Bytes bytes(std::optional<Epoch> behind) const;

 private:
  static constexpr std::size_t kRowsMax = 64;
  static constexpr std::size_t kBytesMax = 890;

  ByteWriter bytes_;
  std::size_t rows_ = 0;
  bool leads_ = false;
  Epoch first_;
  EpochRow before_;
};

// Goes through a group.
class EpochGroupReader {
 public:
  // `first`: by which the group goes. kCorrupt: not a group.
  static Result<EpochGroupReader> open(Epoch first, ByteView bytes);

  // Whether it is the first one of its database, and by which epoch the group behind it goes;
  // nothing: it was the last when it was written.
  [[nodiscard]] bool leads() const noexcept { return leads_; }
  [[nodiscard]] const std::optional<Epoch>& behind() const noexcept { return behind_; }
  // The next epoch, valid until the call after; nullptr: there is no other. kCorrupt: not a group.
  Result<const EpochRow*> next();

 private:
  EpochGroupReader(Epoch first, bool leads, std::optional<Epoch> behind, ByteCursor in);
  Result<void> read_row();

  ByteCursor in_;
  bool leads_;
  std::optional<Epoch> behind_;
  EpochRow row_;
};

}  // namespace epochfs::engine::index_rows
