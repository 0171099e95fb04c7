#include "fs/tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"
#include "fs/by_time.h"
#include "fs/names.h"

namespace epochfs::fs {

using engine::CalendarDay;
using engine::Epoch;
using engine::Error;
using engine::Result;
using engine::native::EpochFacts;

namespace {

constexpr std::size_t kRecentCount = 100;

struct FixedName {
  std::string_view name;
  NodeKind kind;
  bool listed;
};
constexpr FixedName kDatabaseNames[] = {{"latest", NodeKind::kLatest, true},
                                        {"epochs", NodeKind::kEpochs, true},
                                        {"recent", NodeKind::kRecent, true},
                                        {"by-time", NodeKind::kByTime, true},
                                        {".epochfs", NodeKind::kHidden, false}};
constexpr FixedName kHiddenNames[] = {{"status.json", NodeKind::kStatus, true},
                                      {"epochs.jsonl", NodeKind::kEpochLines, true}};

template <std::size_t Count>
std::optional<NodeKind> kind_named(const FixedName (&names)[Count], std::string_view name) {
  for (const FixedName& candidate : names)
    if (candidate.name == name) return candidate.kind;
  return std::nullopt;
}

// A name that the storage lacks below an epoch that exists is damage, not a wrong name: it must not
// look like a file that was never there.
template <class T>
Result<T> as_damage(Result<T> result) {
  if (!result && result.error().code == engine::Code::kNotFound)
    result.error().code = engine::Code::kCorrupt;
  return result;
}

engine::Failure no_such_epoch(Epoch epoch) {
  return Error::no_such_epoch(fmt::format("no epoch {}", epoch.get()));
}

bool is_folder(NodeKind kind) {
  return kind == NodeKind::kEpochFolder || kind == NodeKind::kEpochFolderUnpadded;
}

// A file of an epoch, or a directory with files in it; `node.file` is one of the view's.
Attributes attributes_in(const engine::View& view, const Node& node) {
  const engine::UtcTime committed = view.info().facts.committed;
  if (is_folder(node.kind)) return {NodeType::kDirectory, 0, committed};
  const engine::FileEntry& file = view.files()[node.file];
  return {NodeType::kFile, file.size_bytes, committed, file.volatile_content};
}

struct PlaceInEpoch {
  std::string_view name;  // the view's
  Node node;
};

// What is in an epoch's directory, or in a directory in it.
Result<std::vector<PlaceInEpoch>> places_in(const Node& directory, const engine::View& view) {
  const std::vector<engine::FileEntry>& files = view.files();
  std::string_view inside;
  if (is_folder(directory.kind)) {
    if (directory.file < files.size()) inside = files[directory.file].directory;
    if (inside.empty()) return Error::not_found("no such directory");
  }
  const NodeKind folder_kind =
      directory.kind == NodeKind::kEpoch ? NodeKind::kEpochFolder : NodeKind::kEpochFolderUnpadded;
  std::vector<PlaceInEpoch> places;
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    const engine::FileEntry& file = files[i];
    const bool is_here = file.directory == inside;
    if (!is_here && !inside.empty()) continue;
    const std::string_view name = is_here ? file.name : file.directory;
    // The files of a directory follow each other.
    if (!places.empty() && places.back().name == name) continue;
    Node node = Node::of(is_here ? NodeKind::kEpochFile : folder_kind, directory.database,
                         directory.epoch());
    node.file = i;
    places.push_back({name, node});
  }
  return places;
}

std::optional<CalendarUnit> unit_of(NodeKind kind) {
  if (kind == NodeKind::kYear) return CalendarUnit::kYear;
  if (kind == NodeKind::kMonth) return CalendarUnit::kMonth;
  if (kind == NodeKind::kDay) return CalendarUnit::kDay;
  return std::nullopt;
}

// The dates one level below a directory of the calendar.
NodeKind dates_below(NodeKind kind) {
  if (kind == NodeKind::kByTime) return NodeKind::kYear;
  return kind == NodeKind::kYear ? NodeKind::kMonth : NodeKind::kDay;
}

std::string date_name(NodeKind kind, CalendarDay date) {
  if (kind == NodeKind::kYear) return fmt::format("{:04}", date.year);
  return fmt::format("{:02}", kind == NodeKind::kMonth ? date.month : date.day);
}

std::optional<Period> period_of(const Node& node) {
  const auto unit = unit_of(node.kind);
  return unit ? period_of(node.date(), *unit) : browsable_years();
}

}  // namespace

std::uint64_t Tree::inode(const Node& node) const noexcept {
  return is_top(node) ? kRootInode : inode_of(node).value_or(0);
}

std::optional<Node> Tree::node(std::uint64_t inode) const {
  return inode == kRootInode ? top() : node_of(inode);
}

Node Tree::parent(const Node& node) const noexcept { return is_top(node) ? node : parent_of(node); }

// The root and a database on top are each the only node of their kind, whatever its number.
bool Tree::is_top(const Node& node) const noexcept { return node.kind == top_.kind; }

Node Tree::top() const {
  Node node = top_;
  if (node.kind == NodeKind::kDatabase) node.database = databases_.newest(node.database);
  return node;
}

// --- lookup ---

Result<std::optional<Found>> Tree::lookup(const Node& directory, std::string_view name) const {
  switch (directory.kind) {
    case NodeKind::kRoot:
      return lookup_database(name);
    case NodeKind::kDatabase:
      return lookup_in_database(directory, name);
    case NodeKind::kEpochs:
      return lookup_epoch(directory, name);
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
    case NodeKind::kEpochFolder:
    case NodeKind::kEpochFolderUnpadded:
      return lookup_in_epoch(directory, name);
    case NodeKind::kRecent:
      return lookup_named_link(directory, NodeKind::kRecentLink, epoch_in_recent_name(name), name);
    case NodeKind::kByTime:
      return lookup_by_time(directory, name);
    case NodeKind::kYear:
    case NodeKind::kMonth:
      return lookup_date(directory, name);
    case NodeKind::kDay:
      return lookup_named_link(directory, NodeKind::kDayLink, epoch_in_time_of_day_name(name),
                               name);
    case NodeKind::kHidden: {
      const auto kind = kind_named(kHiddenNames, name);
      if (!kind) return std::optional<Found>();
      const Node node = Node::of(*kind, directory.database);
      TRY_ASSIGN(const Attributes found, attributes(node));
      return std::optional(Found{node, found});
    }
    default:
      return std::optional<Found>();
  }
}

Result<std::optional<Found>> Tree::lookup_database(std::string_view name) const {
  TRY_ASSIGN(const auto number, databases_.find(std::string(name)));
  if (!number) return std::optional<Found>();
  const Node node = Node::of(NodeKind::kDatabase, *number);
  if (!inode_of(node)) return std::optional<Found>();
  TRY_ASSIGN(const Attributes found, attributes(node));
  return std::optional(Found{node, found});
}

Result<std::optional<Found>> Tree::lookup_in_database(const Node& directory,
                                                      std::string_view name) const {
  const auto kind = kind_named(kDatabaseNames, name);
  if (!kind) return std::optional<Found>();
  const Node node = Node::of(*kind, directory.database);
  TRY_ASSIGN(const auto newest_facts, newest(directory));
  if (*kind == NodeKind::kLatest) {
    if (!newest_facts) return std::optional<Found>();
    return std::optional(Found{node, epoch_attributes(*kind, *newest_facts)});
  }
  const engine::UtcTime modified = newest_facts ? newest_facts->committed : mounted_;
  return std::optional(Found{node, {NodeType::kDirectory, 0, modified}});
}

Result<std::optional<Found>> Tree::lookup_epoch(const Node& directory,
                                                std::string_view name) const {
  const auto wanted = parse_epoch_name(name);
  if (!wanted) return std::optional<Found>();
  const NodeKind kind = wanted->padded ? NodeKind::kEpoch : NodeKind::kEpochUnpadded;
  const Node node = Node::of(kind, directory.database, wanted->epoch);
  if (!inode_of(node)) return std::optional<Found>();
  TRY_ASSIGN(const auto line, timeline(directory));
  TRY_ASSIGN(const auto facts, line->find(wanted->epoch));
  if (!facts) return std::optional<Found>();
  return std::optional(Found{node, epoch_attributes(kind, *facts)});
}

Result<std::optional<Found>> Tree::lookup_in_epoch(const Node& directory,
                                                   std::string_view name) const {
  TRY_ASSIGN(const auto epoch_view, view(directory));
  TRY_ASSIGN(const auto places, places_in(directory, *epoch_view));
  const auto place = std::find_if(places.begin(), places.end(),
                                  [&](const PlaceInEpoch& entry) { return entry.name == name; });
  if (place == places.end() || !inode_of(place->node)) return std::optional<Found>();
  return std::optional(Found{place->node, attributes_in(*epoch_view, place->node)});
}

// Any epoch's right name is found, listed or not: what a listing of recent/ showed a moment ago
// must not vanish because a backup pushed it out of the last hundred.
Result<std::optional<Found>> Tree::lookup_named_link(const Node& directory, NodeKind kind,
                                                     std::optional<Epoch> epoch,
                                                     std::string_view name) const {
  if (!epoch) return std::optional<Found>();
  const Node node = Node::of(kind, directory.database, *epoch);
  if (!inode_of(node)) return std::optional<Found>();
  TRY_ASSIGN(const auto line, timeline(directory));
  TRY_ASSIGN(const auto facts, line->find(*epoch));
  if (!facts) return std::optional<Found>();
  const bool right_name = kind == NodeKind::kRecentLink
                              ? name == recent_name(*facts)
                              : name == time_of_day_name(*facts) &&
                                    engine::utc_day(facts->committed) == directory.date();
  if (!right_name) return std::optional<Found>();
  return std::optional(Found{node, epoch_attributes(kind, *facts)});
}

Result<std::optional<Found>> Tree::lookup_by_time(const Node& directory,
                                                  std::string_view name) const {
  if (parse_digits(name, 4)) return lookup_date(directory, name);
  const auto moment = engine::parse_moment(name, engine::utc_now());
  if (!moment) return std::optional<Found>();
  TRY_ASSIGN(const auto line, timeline(directory));
  TRY_ASSIGN(const auto facts, line->newest_at(*moment));
  if (!facts) return std::optional<Found>();
  const Node node = Node::of(NodeKind::kMomentLink, directory.database, facts->epoch);
  if (!inode_of(node)) return std::optional<Found>();
  return std::optional(Found{node, epoch_attributes(node.kind, *facts)});
}

Result<std::optional<Found>> Tree::lookup_date(const Node& directory, std::string_view name) const {
  const NodeKind kind = dates_below(directory.kind);
  const auto number = parse_digits(name, kind == NodeKind::kYear ? 4 : 2);
  if (!number) return std::optional<Found>();
  CalendarDay date = directory.date();
  if (kind == NodeKind::kYear) date = {static_cast<int>(*number), 0, 0};
  if (kind == NodeKind::kMonth) date.month = *number;
  if (kind == NodeKind::kDay) date.day = *number;
  if (!period_of(date, *unit_of(kind))) return std::optional<Found>();
  return found_if_dated(Node::of(kind, directory.database, date));
}

Result<std::optional<Found>> Tree::found_if_dated(const Node& date) const {
  const auto period = period_of(date);
  if (!period) return std::optional<Found>();
  TRY_ASSIGN(const auto line, timeline(date));
  TRY_ASSIGN(const auto facts, newest_in(*line, *period));
  if (!facts) return std::optional<Found>();
  return std::optional(Found{date, {NodeType::kDirectory, 0, facts->committed}});
}

// --- attributes, links ---

Result<Attributes> Tree::attributes(const Node& node) const {
  switch (node.kind) {
    case NodeKind::kRoot: {
      TRY_ASSIGN(const engine::UtcTime modified, newest_of_opened());
      return Attributes{NodeType::kDirectory, 0, modified};
    }
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
    case NodeKind::kRecentLink:
    case NodeKind::kDayLink:
    case NodeKind::kMomentLink: {
      TRY_ASSIGN(const EpochFacts facts, epoch_facts(node));
      return epoch_attributes(node.kind, facts);
    }
    case NodeKind::kEpochFolder:
    case NodeKind::kEpochFolderUnpadded:
    case NodeKind::kEpochFile: {
      TRY_ASSIGN(const auto epoch_view, view(node));
      if (node.file >= epoch_view->files().size()) return Error::not_found("no such file");
      return attributes_in(*epoch_view, node);
    }
    case NodeKind::kYear:
    case NodeKind::kMonth:
    case NodeKind::kDay: {
      TRY_ASSIGN(const auto found, found_if_dated(node));
      if (!found) return no_such_epoch(Epoch());
      return found->attributes;
    }
    default: {
      TRY_ASSIGN(const auto facts, newest(node));
      if (node.kind != NodeKind::kLatest)
        return Attributes{type_of(node.kind), 0, facts ? facts->committed : mounted_};
      if (!facts) return Error::no_such_epoch("no epoch yet");
      return epoch_attributes(node.kind, *facts);
    }
  }
}

Result<std::string> Tree::link_target(const Node& link) const {
  if (type_of(link.kind) != NodeType::kLink) return Error::invalid("not a link");
  if (link.kind != NodeKind::kLatest) return link_text(link.kind, link.epoch());
  TRY_ASSIGN(const auto line, timeline(link));
  const auto newest_epoch = line->newest();
  if (!newest_epoch) return Error::no_such_epoch("no epoch yet");
  return link_text(link.kind, *newest_epoch);
}

// --- listings ---

Result<std::unique_ptr<Listing>> Tree::list(const Node& directory) const {
  switch (directory.kind) {
    case NodeKind::kRoot:
      return list_root();
    case NodeKind::kDatabase:
      return list_database(directory);
    case NodeKind::kEpochs: {
      TRY_ASSIGN(auto line, timeline(directory));
      const auto first = line->oldest();
      const auto last = line->newest();
      if (!first || !last) return std::make_unique<FixedListing>();
      return std::make_unique<EpochListing>(std::move(line), NodeKind::kEpoch, directory.database,
                                            *first, *last);
    }
    case NodeKind::kEpoch:
    case NodeKind::kEpochUnpadded:
    case NodeKind::kEpochFolder:
    case NodeKind::kEpochFolderUnpadded:
      return list_epoch(directory);
    case NodeKind::kRecent:
      return list_recent(directory);
    case NodeKind::kByTime:
    case NodeKind::kYear:
    case NodeKind::kMonth:
      return list_dates(directory);
    case NodeKind::kDay:
      return list_day(directory);
    case NodeKind::kHidden: {
      auto listing = std::make_unique<FixedListing>();
      for (const FixedName& name : kHiddenNames)
        listing->add(std::string(name.name), Node::of(name.kind, directory.database));
      return listing;
    }
    default:
      return Error::invalid("not a directory");
  }
}

Result<std::unique_ptr<Listing>> Tree::list_root() const {
  TRY_ASSIGN(auto databases, databases_.list());
  auto listing = std::make_unique<FixedListing>();
  for (Databases::Numbered& database : databases) {
    const Node node = Node::of(NodeKind::kDatabase, database.number);
    if (inode_of(node)) listing->add(std::move(database.name), node);
  }
  return listing;
}

Result<std::unique_ptr<Listing>> Tree::list_database(const Node& directory) const {
  TRY_ASSIGN(const auto line, timeline(directory));
  auto listing = std::make_unique<FixedListing>();
  for (const FixedName& name : kDatabaseNames) {
    if (!name.listed || (name.kind == NodeKind::kLatest && !line->newest())) continue;
    listing->add(std::string(name.name), Node::of(name.kind, directory.database));
  }
  return listing;
}

Result<std::unique_ptr<Listing>> Tree::list_epoch(const Node& directory) const {
  TRY_ASSIGN(const auto epoch_view, view(directory));
  TRY_ASSIGN(const auto places, places_in(directory, *epoch_view));
  auto listing = std::make_unique<FixedListing>();
  for (const PlaceInEpoch& place : places)
    if (inode_of(place.node)) listing->add(std::string(place.name), place.node);
  return listing;
}

Result<std::unique_ptr<Listing>> Tree::list_recent(const Node& directory) const {
  TRY_ASSIGN(auto line, timeline(directory));
  TRY_ASSIGN(const auto epochs, line->newest_epochs(kRecentCount));
  if (epochs.empty()) return std::make_unique<FixedListing>();
  return std::make_unique<EpochListing>(std::move(line), NodeKind::kRecentLink, directory.database,
                                        epochs.front().epoch, epochs.back().epoch);
}

Result<std::unique_ptr<Listing>> Tree::list_dates(const Node& directory) const {
  const auto period = period_of(directory);
  if (!period) return Error::not_found("no such date");
  const NodeKind kind = dates_below(directory.kind);
  TRY_ASSIGN(const auto line, timeline(directory));
  TRY_ASSIGN(const auto dates, dates_with_epochs(*line, *period, *unit_of(kind)));
  auto listing = std::make_unique<FixedListing>();
  for (const CalendarDay& date : dates)
    listing->add(date_name(kind, date), Node::of(kind, directory.database, date));
  return listing;
}

// Commit times never run backwards, so the epochs of a day follow each other.
Result<std::unique_ptr<Listing>> Tree::list_day(const Node& directory) const {
  const auto period = period_of(directory);
  if (!period) return Error::not_found("no such date");
  TRY_ASSIGN(auto line, timeline(directory));
  TRY_ASSIGN(const auto first, line->oldest_from(period->begin));
  TRY_ASSIGN(const auto last, newest_in(*line, *period));
  if (!first || !last) return std::make_unique<FixedListing>();
  return std::make_unique<EpochListing>(std::move(line), NodeKind::kDayLink, directory.database,
                                        first->epoch, last->epoch);
}

// --- what lies below ---

Result<OpenedFile> Tree::open(const Node& epoch_file) const {
  TRY_ASSIGN(const auto epoch_view, view(epoch_file));
  if (epoch_file.file >= epoch_view->files().size()) return Error::not_found("no such file");
  const auto where = [&] { return describe(epoch_file); };
  TRY_ASSIGN(auto file, as_damage(with_context(epoch_view->open(epoch_file.file), where)));
  const engine::FileEntry& entry = epoch_view->files()[epoch_file.file];
  const std::string directory = entry.directory.empty() ? "/" : "/" + entry.directory + "/";
  return OpenedFile{std::move(file),
                    describe(parent_of(epoch_file)) + engine::printable(directory + entry.name),
                    entry.volatile_content};
}

Result<std::shared_ptr<const engine::Timeline>> Tree::timeline(const Node& node) const {
  TRY_ASSIGN(const auto database, databases_.get(node.database));
  return as_damage(database->timeline());
}

Result<EpochFacts> Tree::epoch_facts(const Node& node) const {
  TRY_ASSIGN(const auto line, timeline(node));
  TRY_ASSIGN(const auto facts, line->find(node.epoch()));
  if (!facts) return no_such_epoch(node.epoch());
  return *facts;
}

Result<std::uint64_t> Tree::stored_bytes(const Node& node) const {
  if (node.kind != NodeKind::kRoot) {
    TRY_ASSIGN(const auto line, timeline(node));
    return line->stored_bytes();
  }
  TRY_ASSIGN(const auto databases, databases_.list());
  std::uint64_t sum = 0;
  for (const Databases::Numbered& database : databases) {
    // A database that cannot be read adds nothing; the others still have their sizes.
    const auto line = timeline(Node::of(NodeKind::kDatabase, database.number));
    if (line) sum += (*line)->stored_bytes();
  }
  return sum;
}

std::string Tree::describe(const Node& node) const {
  std::string text = databases_.name_of(node.database);
  if (node.kind == NodeKind::kRoot) return "/";
  if (never_gets_more(node.kind) || node.kind == NodeKind::kEpochFile)
    text += "/epochs/" + epoch_name(node.epoch());
  return engine::printable(text);
}

Result<std::shared_ptr<const engine::View>> Tree::view(const Node& node) const {
  TRY_ASSIGN(const auto database, databases_.get(node.database));
  const auto where = [&] { return describe(node); };
  auto found = as_damage(with_context(database->view(node.epoch()), where));
  TRY(databases_.get(node.database));  // it is of the history that the node stands for
  return found;
}

Result<std::optional<EpochFacts>> Tree::newest(const Node& node) const {
  TRY_ASSIGN(const auto line, timeline(node));
  const auto epoch = line->newest();
  if (!epoch) return std::optional<EpochFacts>();
  return line->find(*epoch);
}

Result<engine::UtcTime> Tree::newest_of_opened() const {
  engine::UtcTime newest_time = mounted_;
  bool any = false;
  for (const auto& database : databases_.opened()) {
    const auto line = database->timeline();
    if (!line) continue;
    const auto epochs = (*line)->newest_epochs(1);
    if (!epochs || epochs->empty()) continue;
    const engine::UtcTime committed = epochs->back().committed;
    newest_time = any ? std::max(newest_time, committed) : committed;
    any = true;
  }
  return newest_time;
}

}  // namespace epochfs::fs
