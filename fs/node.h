// What a place in the tree is, and its inode number: the one computed from the other, no table.
//
//   bits  0..4   kind         1 is the root alone, so that its number is 1, as FUSE wants it
//   bits  5..18  database     in order of first sight
//   bits 19..52  value        epoch, or the calendar date of a by-time directory
//   bits 53..63  file         index in View::files(); of a directory in an epoch, its first
#pragma once

#include <cstdint>
#include <optional>

#include "engine/core/time.h"
#include "engine/core/units.h"

namespace epochfs::fs {

enum class NodeKind : std::uint8_t {
  kRoot = 1,
  kDatabase,
  kEpochs,
  kEpoch,
  // The same directory under its unpadded name. A directory may have one name only in the kernel's
  // cache, so the second name is a second directory; the files in both are the same.
  kEpochUnpadded,
  // A directory in them, which for the same reason is another one in each. `file` is the first file
  // in it.
  kEpochFolder,
  kEpochFolderUnpadded,
  kEpochFile,
  kLatest,
  kRecent,
  kRecentLink,
  kByTime,
  kYear,
  kMonth,
  kDay,
  kDayLink,
  kMomentLink,
  kHidden,
  kStatus,
  kEpochLines,
};

struct Node {
  NodeKind kind = NodeKind::kRoot;
  std::uint32_t database = 0;
  std::uint64_t value = 0;
  std::uint32_t file = 0;
  friend bool operator==(const Node&, const Node&) = default;

  static Node of(NodeKind kind, std::uint32_t database) { return {kind, database, 0, 0}; }
  static Node of(NodeKind kind, std::uint32_t database, engine::Epoch epoch) {
    return {kind, database, epoch.get(), 0};
  }
  // Years have month and day 0, months day 0.
  static Node of(NodeKind kind, std::uint32_t database, engine::CalendarDay date);

  [[nodiscard]] engine::Epoch epoch() const { return engine::Epoch(value); }
  [[nodiscard]] engine::CalendarDay date() const;
};

enum class NodeType : std::uint8_t { kDirectory, kFile, kLink };
NodeType type_of(NodeKind kind) noexcept;
// An epoch's directory under either name, or a directory in it: nothing ever comes into it.
bool never_gets_more(NodeKind kind) noexcept;

// The directory above; the root is its own.
Node parent_of(const Node& node) noexcept;

inline constexpr std::uint64_t kRootInode = 1;

// nullopt: a number in it is larger than its bits.
std::optional<std::uint64_t> inode_of(const Node& node) noexcept;
// nullopt: no inode_of() gives that number.
std::optional<Node> node_of(std::uint64_t inode) noexcept;

}  // namespace epochfs::fs
