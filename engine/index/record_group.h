// The records of neighbouring pages, as values of the index. Private to this room.
//
// A group is kGroupPages pages; its records, in the order of their first epochs, are cut into
// chunks of about a thousand bytes. A chunk begins with the newest record of each page before it,
// so that whatever somebody looks for at an epoch is in one chunk: the last that does not begin
// behind that epoch. However often a page changes, its neighbours are found as fast.
#pragma once

#include <array>
#include <optional>

#include "engine/index/page_index.h"

namespace epochfs::engine::index_rows {

inline constexpr std::uint32_t kGroupPages = 16;
constexpr std::uint32_t group_of(PageNo page) noexcept { return (page.get() - 1) / kGroupPages; }

struct RecordEntry {
  std::uint32_t slot = 0;  // of the page in its group
  SegmentNo segment;
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
  std::vector<Epoch> epochs;  // of its versions
};
// What an entry is a difference to.
struct RecordBefore {
  Epoch first;
  SegmentNo segment;
  std::uint64_t end = 0;
};

class RecordChunk {
 public:
  // An empty one, that begins at `first`.
  explicit RecordChunk(Epoch first) : first_(first), before_{first, SegmentNo(), 0} {}
  // One that is stored, to go on with it.
  static Result<RecordChunk> from(Epoch first, ByteView bytes);
  // The one behind this, which begins at `first`.
  [[nodiscard]] RecordChunk next(Epoch first) const;

  // kInvalid: begins before the one that was appended before.
  Result<void> append(const RecordEntry& entry);
  // More belongs into another one, unless it begins at the same epoch as this.
  [[nodiscard]] bool is_full() const noexcept;
  [[nodiscard]] Epoch first() const noexcept { return first_; }
  // `behind`: where the chunk behind it begins; nothing: it is the last.
  [[nodiscard]] Bytes bytes(std::optional<Epoch> behind) const;

 private:
  void put(const RecordEntry& entry);

  Epoch first_;
  Epoch last_;  // of the first epochs of what was appended
  RecordBefore before_;
  ByteWriter entries_;
  std::uint64_t carried_ = 0;      // entries from chunks before
  std::size_t carried_bytes_ = 0;  // of entries_
  std::array<std::optional<RecordEntry>, kGroupPages> newest_;
};

// Goes through a chunk.
class RecordChunkReader {
 public:
  static Result<RecordChunkReader> open(Epoch first, ByteView bytes);

  // Where the chunk behind it begins; nothing: it was the last when it was written.
  [[nodiscard]] const std::optional<Epoch>& behind() const noexcept { return behind_; }
  // The next entry, valid until the call after; nullptr: there is no other. kCorrupt: no chunk.
  Result<const RecordEntry*> next();
  // Whether the entry that next() gave is in a chunk before, too.
  [[nodiscard]] bool is_carried() const noexcept { return taken_ <= carried_; }
  [[nodiscard]] std::uint64_t carried() const noexcept { return carried_; }
  [[nodiscard]] std::size_t left() const noexcept { return in_.left(); }
  [[nodiscard]] const RecordBefore& before() const noexcept { return before_; }

 private:
  RecordChunkReader(Epoch first, std::optional<Epoch> behind, std::uint64_t carried, ByteCursor in)
      : in_(in), behind_(behind), carried_(carried), before_{first, SegmentNo(), 0} {}
  Result<void> read_entry();

  ByteCursor in_;
  std::optional<Epoch> behind_;
  std::uint64_t carried_;
  std::uint64_t taken_ = 0;
  RecordBefore before_;
  RecordEntry entry_;
};

}  // namespace epochfs::engine::index_rows
