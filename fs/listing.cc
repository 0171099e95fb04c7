#include "fs/listing.h"

#include <algorithm>

#include "fs/names.h"

namespace epochfs::fs {

using engine::Result;

namespace {

std::string name_of(NodeKind kind, const engine::native::EpochFacts& facts) {
  if (kind == NodeKind::kRecentLink) return recent_name(facts);
  if (kind == NodeKind::kDayLink) return time_of_day_name(facts);
  return epoch_name(facts.epoch);
}

}  // namespace

void FixedListing::add(std::string name, const Node& node) {
  entries_.push_back({std::move(name), node, entries_.size() + 1, std::nullopt});
}

Result<std::vector<ListedEntry>> FixedListing::from(std::uint64_t position,
                                                    std::size_t count_max) const {
  const std::size_t begin = std::min<std::uint64_t>(position, entries_.size());
  const std::size_t count = std::min(count_max, entries_.size() - begin);
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(begin);
  return std::vector<ListedEntry>(first, first + static_cast<std::ptrdiff_t>(count));
}

EpochListing::EpochListing(std::shared_ptr<const engine::Timeline> timeline, NodeKind kind,
                           std::uint32_t database, engine::Epoch first, engine::Epoch last)
    : timeline_(std::move(timeline)),
      kind_(kind),
      database_(database),
      first_(first),
      last_(last) {}

Result<std::vector<ListedEntry>> EpochListing::from(std::uint64_t position,
                                                    std::size_t count_max) const {
  // The position behind an epoch is the number after it.
  const engine::Epoch first = std::max(first_, engine::Epoch(position));
  std::vector<ListedEntry> entries;
  if (first > last_) return entries;
  TRY_ASSIGN(const auto epochs, timeline_->list(first, count_max));
  entries.reserve(epochs.size());
  for (const auto& facts : epochs) {
    const Node node = Node::of(kind_, database_, facts.epoch);
    if (facts.epoch > last_ || !inode_of(node)) break;
    entries.push_back(
        {name_of(kind_, facts), node, facts.epoch.get() + 1, epoch_attributes(kind_, facts)});
  }
  return entries;
}

std::string link_text(NodeKind kind, engine::Epoch epoch) {
  const std::string name = epoch_name(epoch);
  if (kind == NodeKind::kLatest) return "epochs/" + name;
  if (kind == NodeKind::kDayLink) return "../../../../epochs/" + name;
  return "../epochs/" + name;
}

Attributes epoch_attributes(NodeKind kind, const engine::native::EpochFacts& facts) {
  const bool is_link = type_of(kind) == NodeType::kLink;
  return {type_of(kind), is_link ? link_text(kind, facts.epoch).size() : 0, facts.committed};
}

}  // namespace epochfs::fs
