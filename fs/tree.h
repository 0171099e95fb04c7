// The tree of a mount: what names mean, what places look like, what is in them. Knows no FUSE.
//
// Errors    kNotFound, kNoSuchEpoch: the place does not exist, or not any more · kCorrupt, kIo: it
//           does, but what the repository holds of it cannot be used
// Threads   any; has no state of its own
// Cost      of the lookups of a timeline; only the files of an epoch need its view
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fs/databases.h"
#include "fs/listing.h"
#include "fs/node.h"

namespace epochfs::fs {

struct Found {
  Node node;
  Attributes attributes;
};

struct OpenedFile {
  std::shared_ptr<const engine::File> file;
  std::string path;  // from the mount point, for messages
  bool volatile_content = false;
};

class Tree {
 public:
  // `top` is what the mount point shows: the root, or one database. `mounted` is the time of
  // directories without any epoch.
  Tree(Databases& databases, const Node& top, engine::UtcTime mounted)
      : databases_(databases), top_(top), mounted_(mounted) {}

  // FUSE calls whatever is on top number 1.
  [[nodiscard]] std::uint64_t inode(const Node& node) const noexcept;
  [[nodiscard]] std::optional<Node> node(std::uint64_t inode) const;
  [[nodiscard]] Node parent(const Node& node) const noexcept;

  // nullopt: no such name.
  engine::Result<std::optional<Found>> lookup(const Node& directory, std::string_view name) const;
  engine::Result<Attributes> attributes(const Node& node) const;
  engine::Result<std::string> link_target(const Node& link) const;
  engine::Result<std::unique_ptr<Listing>> list(const Node& directory) const;
  engine::Result<OpenedFile> open(const Node& epoch_file) const;

  engine::Result<std::shared_ptr<const engine::Timeline>> timeline(const Node& node) const;
  // The epoch that a directory or file of an epoch belongs to.
  engine::Result<engine::native::EpochFacts> epoch_facts(const Node& node) const;
  // Of the database that `node` lies in, or of all.
  engine::Result<std::uint64_t> stored_bytes(const Node& node) const;
  // For messages; without asking for anything.
  [[nodiscard]] std::string describe(const Node& node) const;

 private:
  [[nodiscard]] bool is_top(const Node& node) const noexcept;
  [[nodiscard]] Node top() const;

  using MaybeFound = engine::Result<std::optional<Found>>;

  MaybeFound lookup_database(std::string_view name) const;
  MaybeFound lookup_in_database(const Node& directory, std::string_view name) const;
  MaybeFound lookup_epoch(const Node& directory, std::string_view name) const;
  MaybeFound lookup_in_epoch(const Node& directory, std::string_view name) const;
  MaybeFound lookup_named_link(const Node& directory, NodeKind kind,
                               std::optional<engine::Epoch> epoch, std::string_view name) const;
  MaybeFound lookup_by_time(const Node& directory, std::string_view name) const;
  MaybeFound lookup_date(const Node& directory, std::string_view name) const;
  MaybeFound found_if_dated(const Node& date) const;

  engine::Result<std::unique_ptr<Listing>> list_root() const;
  engine::Result<std::unique_ptr<Listing>> list_database(const Node& directory) const;
  engine::Result<std::unique_ptr<Listing>> list_epoch(const Node& directory) const;
  engine::Result<std::unique_ptr<Listing>> list_recent(const Node& directory) const;
  engine::Result<std::unique_ptr<Listing>> list_dates(const Node& directory) const;
  engine::Result<std::unique_ptr<Listing>> list_day(const Node& directory) const;

  engine::Result<std::shared_ptr<const engine::View>> view(const Node& node) const;
  engine::Result<std::optional<engine::native::EpochFacts>> newest(const Node& node) const;
  engine::Result<engine::UtcTime> newest_of_opened() const;

  Databases& databases_;
  const Node top_;
  const engine::UtcTime mounted_;
};

}  // namespace epochfs::fs
