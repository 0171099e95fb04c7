#include "fs/node.h"

namespace epochfs::fs {
namespace {

constexpr unsigned kKindBits = 5;
constexpr unsigned kDatabaseBits = 14;
constexpr unsigned kValueBits = 34;  // all numbers of ten digits
constexpr unsigned kFileBits = 11;
static_assert(kKindBits + kDatabaseBits + kValueBits + kFileBits == 64);

constexpr unsigned kDatabaseShift = kKindBits;
constexpr unsigned kValueShift = kDatabaseShift + kDatabaseBits;
constexpr unsigned kFileShift = kValueShift + kValueBits;

constexpr unsigned kDayBits = 5;
constexpr unsigned kMonthBits = 4;

constexpr bool fits(std::uint64_t number, unsigned bits) { return number >> bits == 0; }

constexpr std::uint64_t bits_of(std::uint64_t inode, unsigned shift, unsigned bits) {
  return inode >> shift & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

Node Node::of(NodeKind kind, std::uint32_t database, engine::CalendarDay date) {
  const auto year = static_cast<std::uint64_t>(date.year);
  return {kind, database, (year << kMonthBits | date.month) << kDayBits | date.day, 0};
}

engine::CalendarDay Node::date() const {
  return {static_cast<int>(value >> (kMonthBits + kDayBits)),
          static_cast<unsigned>(bits_of(value, kDayBits, kMonthBits)),
          static_cast<unsigned>(bits_of(value, 0, kDayBits))};
}

NodeType type_of(NodeKind kind) noexcept {
  switch (kind) {
    case NodeKind::kRoot:
    case NodeKind::kDatabase:
    case NodeKind::kEpochs:
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
    case NodeKind::kEpochFolder:
    case NodeKind::kEpochFolderUnpadded:
    case NodeKind::kRecent:
    case NodeKind::kByTime:
    case NodeKind::kYear:
    case NodeKind::kMonth:
    case NodeKind::kDay:
    case NodeKind::kHidden:
      return NodeType::kDirectory;
    case NodeKind::kLatest:
    case NodeKind::kRecentLink:
    case NodeKind::kDayLink:
    case NodeKind::kMomentLink:
      return NodeType::kLink;
    case NodeKind::kEpochFile:
    case NodeKind::kStatus:
    case NodeKind::kEpochLines:
      break;
  }
  return NodeType::kFile;
}

bool never_gets_more(NodeKind kind) noexcept {
  return kind == NodeKind::kEpoch || kind == NodeKind::kEpochUnpadded ||
         kind == NodeKind::kEpochFolder || kind == NodeKind::kEpochFolderUnpadded;
}

Node parent_of(const Node& node) noexcept {
  const auto same_database = [&](NodeKind kind) { return Node::of(kind, node.database); };
  const auto same_value = [&](NodeKind kind) { return Node{kind, node.database, node.value, 0}; };
  const engine::CalendarDay date = node.date();
  switch (node.kind) {
    case NodeKind::kRoot:
    case NodeKind::kDatabase:
      break;
    case NodeKind::kEpochs:
    case NodeKind::kLatest:
    case NodeKind::kRecent:
    case NodeKind::kByTime:
    case NodeKind::kHidden:
      return same_database(NodeKind::kDatabase);
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
      return same_database(NodeKind::kEpochs);
    case NodeKind::kEpochFile:
    case NodeKind::kEpochFolder:
      return same_value(NodeKind::kEpoch);
    case NodeKind::kEpochFolderUnpadded:
      return same_value(NodeKind::kEpochUnpadded);
    case NodeKind::kRecentLink:
      return same_database(NodeKind::kRecent);
    case NodeKind::kYear:
    case NodeKind::kMomentLink:
    case NodeKind::kDayLink:
      return same_database(NodeKind::kByTime);
    case NodeKind::kMonth:
      return Node::of(NodeKind::kYear, node.database, engine::CalendarDay{date.year, 0, 0});
    case NodeKind::kDay:
      return Node::of(NodeKind::kMonth, node.database,
                      engine::CalendarDay{date.year, date.month, 0});
    case NodeKind::kStatus:
    case NodeKind::kEpochLines:
      return same_database(NodeKind::kHidden);
  }
  return Node{};
}

std::optional<std::uint64_t> inode_of(const Node& node) noexcept {
  if (!fits(node.database, kDatabaseBits) || !fits(node.value, kValueBits) ||
      !fits(node.file, kFileBits))
    return std::nullopt;
  return static_cast<std::uint64_t>(node.kind) |
         static_cast<std::uint64_t>(node.database) << kDatabaseShift | node.value << kValueShift |
         static_cast<std::uint64_t>(node.file) << kFileShift;
}

std::optional<Node> node_of(std::uint64_t inode) noexcept {
  const std::uint64_t kind = bits_of(inode, 0, kKindBits);
  if (kind < static_cast<std::uint64_t>(NodeKind::kRoot) ||
      kind > static_cast<std::uint64_t>(NodeKind::kEpochLines))
    return std::nullopt;
  return Node{static_cast<NodeKind>(kind),
              static_cast<std::uint32_t>(bits_of(inode, kDatabaseShift, kDatabaseBits)),
              bits_of(inode, kValueShift, kValueBits),
              static_cast<std::uint32_t>(bits_of(inode, kFileShift, kFileBits))};
}

}  // namespace epochfs::fs
