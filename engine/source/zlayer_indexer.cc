#include "engine/source/zlayer_indexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/core/hash.h"
#include "engine/core/ordered_pipeline.h"
#include "engine/core/shared_failure.h"
#include "engine/core/text.h"
#include "engine/formats/zlayer/facts.h"
#include "engine/formats/zlayer/object_names.h"
#include "engine/source/history.h"
#include "engine/source/zlayer_history.h"
#include "engine/source/zlayer_objects.h"

namespace epochfs::engine {
namespace {

// An object that is there in another version, or not at all.
Failure changed(const Storage& storage, const std::string& object) {
  return Error::busy(storage.describe(object) + ": replaced or removed while it was looked at");
}

Result<std::vector<ObjectInfo>> objects_in(const Storage& storage, const std::string& directory) {
  auto listing = storage.list(directory);
  if (!listing && listing.error().code == Code::kNotFound) return std::vector<ObjectInfo>();
  if (!listing) return tl::unexpected(std::move(listing).error());
  return std::move(listing->objects);
}

// Makes the sum of a listing another one while objects in it are refused or damaged: that may end
// without the object becoming another one, since an answer may be damaged on its way.
constexpr std::uint64_t kWithProblems = 1;

std::uint64_t sum_of(const ZlayerListing& listing) {
  Xxh3 sum;
  const auto add = [&](const std::vector<ZlayerObject>& objects) {
    ByteWriter out;
    for (const ZlayerObject& object : objects) {
      for (const std::string* text : {&object.name, &object.info.version}) {
        out.put_varint(text->size());
        out.put(as_bytes(*text));
      }
      out.put_le(object.info.modified.get());
    }
    out.put_varint(objects.size());
    sum.update(out.view());
  };
  add(listing.snapshots);
  add(listing.copies);
  return sum.value();
}

// Reads objects that the index knows nothing of, several at a time.
class Examination {
 public:
  // `again`: damaged ones too.
  Examination(PageIndex& index, const Storage& storage, const ZlayerPlace& place, bool again)
      : index_(index), storage_(storage), place_(place), again_(again) {}

  Result<void> run(const ZlayerListing& listing) {
    const auto examine = [this](Task&& task) { return examined(std::move(task)); };
    const auto keep = [this](Found&& found) { return kept(std::move(found)); };
    OrderedPipeline<Task, Found> pipeline(0, 2 * thread_count(0), examine, keep);
    const auto examine_all = [&]() -> Result<void> {
      TRY(push(pipeline, listing.snapshots, true));
      TRY(push(pipeline, listing.copies, false));
      return pipeline.finish();
    };
    auto examined_all = examine_all();
    // What was read is known from now on, also when the next object cannot be: otherwise a place
    // that takes longer to read than its store ever holds out would never be taken in.
    TRY(flush());
    return examined_all;
  }
  // Objects that the storage refuses, and what it said.
  [[nodiscard]] const std::map<std::string, std::string>& refused() const noexcept {
    return refused_;
  }

 private:
  struct Task {
    const ZlayerObject* object = nullptr;
    bool is_snapshot = false;
  };
  struct Found {
    const ZlayerObject* object = nullptr;
    Bytes facts;
    std::string refusal;  // instead of facts
  };
  static constexpr std::size_t kBytesAtOnce = std::size_t{8} * 1024 * 1024;
  static constexpr std::size_t kObjectsAtOnce = 256;

  Result<void> push(OrderedPipeline<Task, Found>& pipeline,
                    const std::vector<ZlayerObject>& objects, bool are_snapshots) {
    for (const ZlayerObject& object : objects) {
      TRY_ASSIGN(const bool is_known, knows(object));
      if (!is_known) TRY(pipeline.push(Task{&object, are_snapshots}));
    }
    return {};
  }

  Result<bool> knows(const ZlayerObject& object) const {
    TRY_ASSIGN(const PageIndex::Reader reader, index_.read());
    TRY_ASSIGN(const auto facts,
               reader.object_facts(place_.database, object.name, object.info.version));
    if (!facts || !again_) return facts.has_value();
    TRY_ASSIGN(const zlayer::Facts known, zlayer::parse_facts(*facts));
    const auto* const useless = std::get_if<zlayer::UselessFacts>(&known.of);
    return useless == nullptr || !useless->is_damage;
  }

  Result<Found> examined(Task&& task) const {
    const std::string name = place_.object(task.object->name);
    const auto blob = storage_.open(name);
    if (!blob && blob.error().code == Code::kNotFound) return changed(storage_, name);
    Found found{task.object, {}, {}};
    if (!blob && is_refusal_of_object(blob.error())) {
      found.refusal = blob.error().text;
      return found;
    }
    if (!blob) return tl::unexpected(blob.error());
    if ((*blob)->version() != task.object->info.version) return changed(storage_, name);
    auto facts = task.is_snapshot ? examine_zlayer_snapshot(*blob) : examine_zlayer_wal(*blob);
    if (!facts && is_refusal_of_object(facts.error())) {
      found.refusal = facts.error().text;
      return found;
    }
    if (!facts) return tl::unexpected(std::move(facts).error());
    found.facts = *std::move(facts);
    return found;
  }

  Result<void> kept(Found&& found) {
    if (!found.refusal.empty()) {
      refused_.emplace(found.object->name, std::move(found.refusal));
      return {};
    }
    bytes_ += found.facts.size();
    found_.push_back(std::move(found));
    if (bytes_ < kBytesAtOnce && found_.size() < kObjectsAtOnce) return {};
    return flush();
  }

  Result<void> flush() {
    if (found_.empty()) return {};
    TRY_ASSIGN(PageIndex::Writer writer, index_.write());
    for (const Found& found : found_)
      TRY(writer.put_object(place_.database, found.object->name, found.object->info.version,
                            found.facts));
    TRY(std::move(writer).commit());
    found_.clear();
    bytes_ = 0;
    return {};
  }

  PageIndex& index_;
  const Storage& storage_;
  const ZlayerPlace& place_;
  const bool again_;
  std::vector<Found> found_;  // not in the index yet
  std::size_t bytes_ = 0;
  std::map<std::string, std::string> refused_;
};

// What the objects hold, as the derivation wants it. The facts point into the index.
class Gathered {
 public:
  Result<void> add(const PageIndex::Reader& reader, const ZlayerPlace& place,
                   const ZlayerListing& listing,
                   const std::map<std::string, std::string>& refused) {
    for (const ZlayerObject& object : listing.snapshots) {
      if (is_refused(object, refused)) continue;
      TRY_ASSIGN(const zlayer::Facts facts, facts_of(reader, place, object));
      if (const auto* snapshot = std::get_if<zlayer::SnapshotFacts>(&facts.of)) {
        snapshots.push_back({object.name, object.taken, object.info.modified, *snapshot});
        rows.push_back(row_of(object, facts, snapshot->page_size()));
      } else {
        add_useless(object, facts);
      }
    }
    for (const ZlayerObject& object : listing.copies) {
      if (is_refused(object, refused)) continue;
      TRY_ASSIGN(const zlayer::Facts facts, facts_of(reader, place, object));
      if (const auto* log = std::get_if<zlayer::WalFacts>(&facts.of)) {
        copies.push_back({object.name, object.info.modified, *log});
        rows.push_back(row_of(object, facts, log->page_size()));
      } else {
        add_useless(object, facts);
      }
    }
    return {};
  }

  std::vector<ZlayerSnapshot> snapshots;
  std::vector<ZlayerCopy> copies;
  std::vector<SegmentRow> rows;  // of the snapshots, then of the copies
  std::vector<IndexProblem> problems;
  std::vector<std::string> notes;
  bool is_whole = true;  // nothing was refused or damaged

 private:
  bool is_refused(const ZlayerObject& object, const std::map<std::string, std::string>& refused) {
    const auto found = refused.find(object.name);
    if (found == refused.end()) return false;
    is_whole = false;
    problems.push_back({object.name, found->second, Epoch(0), Epoch(0), object.info.version});
    return true;
  }

  static Result<zlayer::Facts> facts_of(const PageIndex::Reader& reader, const ZlayerPlace& place,
                                        const ZlayerObject& object) {
    TRY_ASSIGN(const auto bytes,
               reader.object_facts(place.database, object.name, object.info.version));
    if (!bytes) return Error::busy(object.name + ": forgotten by the index meanwhile");
    return zlayer::parse_facts(*bytes);
  }

  static SegmentRow row_of(const ZlayerObject& object, const zlayer::Facts& facts,
                           PageSize page_size) {
    SegmentRow row;
    row.kind = std::holds_alternative<zlayer::SnapshotFacts>(facts.of)
                   ? native::SegmentKind::kFull
                   : native::SegmentKind::kIncremental;
    row.filename = object.name;
    row.version = object.info.version;
    row.page_size = page_size;
    row.image_bytes = facts.plain_bytes;
    return row;
  }

  void add_useless(const ZlayerObject& object, const zlayer::Facts& facts) {
    const auto* useless = std::get_if<zlayer::UselessFacts>(&facts.of);
    const std::string reason = useless != nullptr ? useless->reason : "not what its name says";
    const bool is_damage = useless == nullptr || useless->is_damage;
    is_whole = is_whole && !is_damage;
    if (is_damage)
      problems.push_back({object.name, reason, Epoch(0), Epoch(0), object.info.version});
    else
      notes.push_back(fmt::format("{}: {}", printable(object.name), reason));
  }
};

EpochRow row_of(const ZlayerEpoch& epoch, std::size_t snapshot_count) {
  const auto number = [](std::size_t place) {
    return SegmentNo(static_cast<std::uint32_t>(place));
  };
  EpochRow row;
  row.facts = epoch.facts;
  row.base = number(epoch.base);
  row.segment = row.base;
  for (const ZlayerLayer& layer : epoch.layers) {
    row.segment = number(snapshot_count + layer.copy);
    row.layers.push_back({row.segment, layer.frame, layer.pages});
  }
  return row;
}

// Whether the epochs that the index has are still the first ones: then their numbers stay theirs.
Result<bool> continues(const PageIndex::Reader& reader, const DatabaseRow& before,
                       const std::vector<ZlayerEpoch>& epochs) {
  if (before.epoch_count > epochs.size()) return false;
  for (std::uint64_t i = 0; i < before.epoch_count; ++i) {
    const native::EpochFacts& facts = epochs[i].facts;
    TRY_ASSIGN(const auto row, reader.epoch(before.number, facts.epoch));
    if (!row || row->facts.position != facts.position || row->facts.state != facts.state ||
        row->facts.size_bytes != facts.size_bytes)
      return false;
  }
  return true;
}

Result<DatabaseRow> write_history(PageIndex& index, const ZlayerPlace& place,
                                  const ZlayerListing& listing, const Gathered& gathered,
                                  ZlayerHistory history) {
  const std::string name = place.history();
  TRY_ASSIGN(PageIndex::Writer writer, index.write());
  TRY_ASSIGN(const auto before, writer.reader().database(name));
  bool goes_on = false;
  if (before) {
    TRY_ASSIGN(goes_on, continues(writer.reader(), *before, history.epochs));
  }
  DatabaseRow row;
  if (goes_on) {
    row.number = before->number;
  } else {
    TRY_ASSIGN(row.number, writer.begin_database(name));
  }
  row.segments_hash = sum_of(listing) ^ (gathered.is_whole ? 0 : kWithProblems);
  row.segment_count = static_cast<std::uint32_t>(gathered.rows.size());
  row.epoch_count = history.epochs.size();
  row.oldest = Epoch(history.epochs.empty() ? 0 : 1);
  row.newest = Epoch(history.epochs.size());
  for (const IndexProblem& problem : gathered.problems) add_problem(row, problem);
  row.notes = gathered.notes;
  row.notes.insert(row.notes.end(), history.notes.begin(), history.notes.end());
  if (history.unproven > 0)
    row.notes.push_back(fmt::format(
        "{} on no snapshot that is there; --unproven offers what follows a known state",
        history.unproven == 1 ? "1 commit rests" : counted(history.unproven, "commit") + " rest"));
  row.notes.resize(std::min(row.notes.size(), kProblemsMax));
  std::vector<PageIndex::Writer::ObjectName> objects;
  for (const auto* listed : {&listing.snapshots, &listing.copies}) {
    for (const ZlayerObject& object : *listed) {
      row.stored_bytes += object.info.size_bytes;
      objects.push_back({object.name, object.info.version});
    }
  }
  for (std::size_t i = 0; i < gathered.rows.size(); ++i)
    TRY(writer.put_segment(row.number, SegmentNo(static_cast<std::uint32_t>(i)), gathered.rows[i]));
  for (const ZlayerEpoch& epoch : history.epochs)
    TRY(writer.put_epoch(row.number, row_of(epoch, gathered.snapshots.size())));
  TRY(writer.put_database(name, row));
  TRY(writer.keep_objects(place.database, objects));
  TRY(std::move(writer).commit());
  return row;
}

}  // namespace

std::string ZlayerPlace::object(std::string_view name) const {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

std::string ZlayerPlace::history() const {
  // No name of a database holds a line end.
  return with_unproven ? database + "\nunproven" : database;
}

Result<ZlayerListing> list_zlayer(const Storage& storage, const ZlayerPlace& place) {
  ZlayerListing listing;
  TRY_ASSIGN(auto snapshots, objects_in(storage, place.object(zlayer::kSnapshotDirectory)));
  for (ObjectInfo& info : snapshots) {
    if (const auto taken = zlayer::snapshot_time(info.name))
      listing.snapshots.push_back(
          {fmt::format("{}/{}", zlayer::kSnapshotDirectory, info.name), *taken, std::move(info)});
  }
  TRY_ASSIGN(auto copies, objects_in(storage, place.object(zlayer::kWalDirectory)));
  for (ObjectInfo& info : copies) {
    if (zlayer::wal_sequence(info.name))
      listing.copies.push_back(
          {fmt::format("{}/{}", zlayer::kWalDirectory, info.name), {}, std::move(info)});
  }
  return listing;
}

Result<DatabaseRow> take_in_zlayer(PageIndex& index, const Storage& storage,
                                   const ZlayerPlace& place, const ZlayerListing& listing,
                                   bool again) {
  {
    const std::uint64_t sum = sum_of(listing);
    TRY_ASSIGN(const PageIndex::Reader reader, index.read());
    TRY_ASSIGN(auto row, reader.database(place.history()));
    const bool is_known = row && (row->segments_hash == sum ||
                                  (!again && row->segments_hash == (sum ^ kWithProblems)));
    if (is_known) return *std::move(row);
  }
  Examination examination(index, storage, place, again);
  TRY(examination.run(listing));
  TRY_ASSIGN(const PageIndex::Reader reader, index.read());
  Gathered gathered;
  TRY(gathered.add(reader, place, listing, examination.refused()));
  ZlayerHistory history =
      derive_zlayer_history(gathered.snapshots, gathered.copies, place.with_unproven);
  return write_history(index, place, listing, gathered, std::move(history));
}

}  // namespace epochfs::engine
