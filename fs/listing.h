// The entries of one open directory, in an order that never changes while it is open.
//
// Position  0 is the start; each entry carries the position behind it
// Threads   immutable; any
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/view/view.h"
#include "fs/node.h"

namespace epochfs::fs {

struct Attributes {
  NodeType type = NodeType::kFile;
  std::uint64_t size_bytes = 0;
  engine::UtcTime modified;
  bool volatile_content = false;  // as FileEntry has it
};

struct ListedEntry {
  std::string name;
  Node node;
  std::uint64_t next = 0;
  std::optional<Attributes> attributes;  // when they cost nothing
};

class Listing {
 public:
  Listing() = default;
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  virtual ~Listing() = default;

  // At most `count_max` entries from `position` on; empty: the end.
  virtual engine::Result<std::vector<ListedEntry>> from(std::uint64_t position,
                                                        std::size_t count_max) const = 0;
};

// A directory of few entries.
class FixedListing final : public Listing {
 public:
  void add(std::string name, const Node& node);
  engine::Result<std::vector<ListedEntry>> from(std::uint64_t position,
                                                std::size_t count_max) const override;

 private:
  std::vector<ListedEntry> entries_;
};

// The epochs of a timeline between two, both included, under the names of `kind`. Entries are made
// as they are asked for: memory does not depend on how many there are.
class EpochListing final : public Listing {
 public:
  EpochListing(std::shared_ptr<const engine::Timeline> timeline, NodeKind kind,
               std::uint32_t database, engine::Epoch first, engine::Epoch last);
  engine::Result<std::vector<ListedEntry>> from(std::uint64_t position,
                                                std::size_t count_max) const override;

 private:
  const std::shared_ptr<const engine::Timeline> timeline_;
  const NodeKind kind_;
  const std::uint32_t database_;
  const engine::Epoch first_;
  const engine::Epoch last_;
};

// Where the links of the tree point.
std::string link_text(NodeKind kind, engine::Epoch epoch);
// Of an epoch's directory, or of a link to it.
Attributes epoch_attributes(NodeKind kind, const engine::native::EpochFacts& facts);

}  // namespace epochfs::fs
