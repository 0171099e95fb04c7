#include "engine/repo/zlayer_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/core/time.h"
#include "engine/formats/grafeo/manifest.h"
#include "engine/formats/native/manifest.h"
#include "engine/formats/zlayer/object_names.h"
#include "engine/segment/codec.h"
#include "engine/source/zlayer_tail.h"
#include "engine/storage/has_object.h"
#include "engine/storage/open_storage.h"
#include "engine/storage/s3_location.h"

namespace epochfs::engine {
namespace {

constexpr std::int64_t kNameSecond = 1'000'000'000;
constexpr std::size_t kCopyPieceBytes = std::size_t{1024} * 1024;
constexpr int kHeaderLevel = 3;

std::uint64_t sequence_of(const ZlayerObject& copy) {
  return zlayer::wal_sequence(leaf_of(copy.name)).value_or(0);
}

bool is_earlier(const ZlayerObject& one, const ZlayerObject& other) {
  return sequence_of(one) < sequence_of(other);
}

ZlayerObject stored_object(const std::string& object, std::uint64_t bytes) {
  ZlayerObject made;
  made.name = object;
  made.info.size_bytes = bytes;
  made.info.modified = utc_now();
  return made;
}

Result<void> append_bytes(Upload& upload, const Blob& from, std::uint64_t count) {
  Bytes piece(kCopyPieceBytes);
  for (std::uint64_t at = 0; at < count;) {
    const MutableByteView part = MutableByteView(piece).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(kCopyPieceBytes, count - at)));
    TRY(from.read(at, part));
    TRY(upload.append(part));
    at += part.size();
  }
  return {};
}

// Another writer took the name.
Result<void> as_race(Result<void> finished, const std::string& object) {
  if (finished || finished.error().code != Code::kExists) return finished;
  return Error::locked(object + ": another writer was faster; run the backup again");
}

}  // namespace

Result<std::unique_ptr<ZlayerWriter>> ZlayerWriter::open(const std::string& location, Lock lock) {
  std::unique_ptr<ZlayerWriter> writer(new ZlayerWriter());
  TRY_ASSIGN(writer->storage_, open_storage(location));
  if (const auto place = parse_s3_location(location); place && !place->prefix.empty())
    writer->key_prefix_ = place->prefix + "/";
  TRY(writer->look());
  if (lock == Lock::kNone) return writer;
  TRY_ASSIGN(writer->lock_, writer->storage_->lock_writer("", lock == Lock::kWaitFor));
  // What is there may have changed before the lock was ours.
  if (writer->storage_->has_locks()) TRY(writer->look());
  return writer;
}

Result<void> ZlayerWriter::look() {
  // Metadata first: objects of a listing that is younger can only be newer than what it names.
  TRY(load_metadata());
  TRY_ASSIGN(listing_, list_zlayer(*storage_, ZlayerPlace()));
  return is_empty() ? check_nothing_else_is_there() : Result<void>();
}

Result<void> ZlayerWriter::check_nothing_else_is_there() const {
  const auto refuse = [&](std::string_view what) {
    return Error::invalid(fmt::format("{} is {}: choose another place for ZLayer's layout",
                                      storage_->describe(""), what));
  };
  TRY_ASSIGN(const bool is_ours, has_object(*storage_, native::kRepositoryFile));
  if (is_ours) return refuse("a repository of epochfs");
  TRY_ASSIGN(const bool is_of_grafeo, has_object(*storage_, grafeo::kManifestFile));
  if (is_of_grafeo) return refuse("a backup directory of Grafeo's");
  const auto top = storage_->list("");
  if (!top && top.error().code != Code::kNotFound) return tl::unexpected(top.error());
  if (!top) return {};
  for (const std::string& directory : top->directories) {
    TRY_ASSIGN(const ZlayerListing below,
               list_zlayer(*storage_, ZlayerPlace{directory, "", false}));
    if (!below.empty())
      return refuse(
          fmt::format("a place with backups of ZLayer's right below it ({}/)", directory));
  }
  return {};
}

Result<void> ZlayerWriter::load_metadata() {
  metadata_ = {};
  metadata_version_.reset();
  const std::string name(zlayer::kMetadataObject);
  auto content = storage_->get(name, zlayer::kMetadataBytesMax);
  if (!content && content.error().code == Code::kNotFound) return {};
  if (!content) return tl::unexpected(std::move(content).error());
  metadata_version_ = std::move(content->version);
  // What makes no sense names no snapshot, and is replaced by what does.
  if (auto metadata = zlayer::parse_metadata(content->bytes)) metadata_ = *std::move(metadata);
  return {};
}

std::string ZlayerWriter::key_of(const std::string& object) const { return key_prefix_ + object; }

std::uint64_t ZlayerWriter::names(const std::string& without) const {
  Xxh3 sum;
  for (const auto* objects : {&listing_.snapshots, &listing_.copies}) {
    std::vector<std::string> sorted;
    for (const ZlayerObject& object : *objects) {
      if (object.name != without) sorted.push_back(object.name);
    }
    std::ranges::sort(sorted);
    for (const std::string& name : sorted) sum.update(as_bytes(name + "\n"));
  }
  return sum.value();
}

const ZlayerObject* ZlayerWriter::snapshot() const {
  const auto found = std::ranges::find_if(listing_.snapshots, [&](const ZlayerObject& object) {
    return metadata_.snapshot == key_of(object.name);
  });
  return found == listing_.snapshots.end() ? nullptr : &*found;
}

const ZlayerObject* ZlayerWriter::newest_copy() const {
  const auto newest = std::ranges::max_element(listing_.copies, is_earlier);
  if (newest == listing_.copies.end()) return nullptr;
  return sequence_of(*newest) > metadata_.wal_sequence.value_or(0) ? &*newest : nullptr;
}

std::uint64_t ZlayerWriter::chain_bytes() const {
  std::uint64_t bytes = 0;
  for (const ZlayerObject& copy : listing_.copies) {
    if (sequence_of(copy) > metadata_.wal_sequence.value_or(0)) bytes += copy.info.size_bytes;
  }
  return bytes;
}

std::uint64_t ZlayerWriter::last_sequence() const {
  std::uint64_t last = metadata_.wal_sequence.value_or(0);
  for (const ZlayerObject& copy : listing_.copies) last = std::max(last, sequence_of(copy));
  return last;
}

Result<std::string> ZlayerWriter::next_copy() const {
  const std::uint64_t last = last_sequence();
  if (last == std::numeric_limits<std::uint64_t>::max())
    return Error::invalid(
        fmt::format("{}: no number is left for another copy of the log: use another place",
                    storage_->describe(zlayer::kWalDirectory)));
  return zlayer::wal_object(last + 1);
}

Result<std::optional<zlayer::Claim>> ZlayerWriter::claim_of(const ZlayerObject& object) const {
  TRY_ASSIGN(const auto blob, storage_->open(object.name));
  TRY_ASSIGN(const auto tail, read_zlayer_tail(*blob));
  return tail ? std::optional(tail->claim) : std::nullopt;
}

Result<void> ZlayerWriter::check_unchanged() const {
  ZlayerWriter now;
  now.storage_ = storage_;
  TRY_ASSIGN(now.listing_, list_zlayer(*storage_, ZlayerPlace()));
  if (now.names() == names()) return {};
  return Error::locked(location() + ": another writer is at work there; run the backup again");
}

Result<void> ZlayerWriter::put_copy(const Blob& copy) {
  TRY_ASSIGN(const std::string object, next_copy());
  TRY_ASSIGN(auto upload, storage_->create(object));
  TRY(append_bytes(*upload, copy, copy.size_bytes()));
  return finish_copy(std::move(upload), object, copy.size_bytes());
}

Result<void> ZlayerWriter::finish_copy(std::unique_ptr<Upload> upload, const std::string& object,
                                       std::uint64_t stored_bytes) {
  TRY(as_race(upload->finish(), storage_->describe(object)));
  listing_.copies.push_back(stored_object(object, stored_bytes));
  return {};
}

Result<void> ZlayerWriter::close_generation() {
  const ZlayerObject* copy = newest_copy();
  const ZlayerObject* newest = copy != nullptr ? copy : snapshot();
  if (newest == nullptr) return {};
  TRY_ASSIGN(const auto blob, storage_->open(newest->name));
  auto tail = read_zlayer_tail(*blob);
  if (!tail && tail.error().code != Code::kCorrupt) return tl::unexpected(std::move(tail).error());
  // Where it is not to be understood, nobody goes on from it.
  if (!tail || !*tail || (*tail)->claim.is_closed) return {};
  zlayer::Claim claim = (*tail)->claim;
  claim.is_closed = true;
  TRY_ASSIGN(const std::string object, next_copy());
  TRY_ASSIGN(auto upload, storage_->create(object));
  std::vector<zlayer::StoredFrame> frames = (*tail)->frames;
  if (copy != nullptr) {
    TRY(append_bytes(*upload, *blob, (*tail)->stored_bytes()));
  } else {
    claim.kind = zlayer::Claim::Kind::kCopy;
    const auto header = sqlite::encode_wal_header(zlayer::generation_header(claim));
    TRY_ASSIGN(const Bytes frame, compress_frame(header, 0, kHeaderLevel));
    TRY(upload->append(frame));
    frames = {{static_cast<std::uint32_t>(frame.size()), sqlite::kWalHeaderSize}};
  }
  const Bytes end = zlayer::encode_tail(claim, frames);
  TRY(upload->append(end));
  std::uint64_t stored_bytes = end.size();
  for (const zlayer::StoredFrame& frame : frames) stored_bytes += frame.stored_bytes;
  return finish_copy(std::move(upload), object, stored_bytes);
}

Result<ZlayerWriter::OpenSnapshot> ZlayerWriter::begin_snapshot(UtcTime now) {
  // Behind everything there is: where nothing else tells, readers go by the time in the name.
  std::int64_t second = now.get() / kNameSecond;
  for (const ZlayerObject& snapshot : listing_.snapshots)
    second = std::max(second, snapshot.taken.get() / kNameSecond + 1);
  for (const ZlayerObject& copy : listing_.copies)
    second = std::max(second, copy.info.modified.get() / kNameSecond + 1);
  second = std::min(second, std::numeric_limits<std::int64_t>::max() / kNameSecond);
  const UtcTime taken(second * kNameSecond);
  OpenSnapshot snapshot{zlayer::snapshot_object(taken), nullptr};
  TRY_ASSIGN(snapshot.upload, storage_->create(snapshot.object));
  return snapshot;
}

// Where metadata.json names no snapshot, the newest counts, with all copies: then the new one would
// be put together with the old log as soon as it is there.
Result<void> ZlayerWriter::name_old_pair() {
  if (metadata_.snapshot || listing_.copies.empty()) return {};
  zlayer::Metadata pair = metadata_;
  if (listing_.snapshots.empty()) {
    pair.wal_sequence = last_sequence();
  } else {
    pair.snapshot =
        key_of(std::ranges::max_element(listing_.snapshots, {}, &ZlayerObject::name)->name);
  }
  return replace_metadata(std::move(pair));
}

Result<void> ZlayerWriter::commit_snapshot(OpenSnapshot snapshot, std::uint64_t stored_bytes) {
  TRY(name_old_pair());
  TRY(as_race(snapshot.upload->finish(), storage_->describe(snapshot.object)));
  listing_.snapshots.push_back(stored_object(snapshot.object, stored_bytes));
  listing_.snapshots.back().taken = *zlayer::snapshot_time(leaf_of(snapshot.object));
  zlayer::Metadata next;
  const std::string next_snapshot = key_of(snapshot.object);
  next.snapshot = next_snapshot;
  if (const std::uint64_t last = last_sequence(); last > 0) next.wal_sequence = last;
  const auto version_before = metadata_version_;
  auto replaced = replace_metadata(std::move(next));
  if (replaced || replaced.error().code != Code::kLocked) return replaced;
  // It counted for a moment, and somebody has gone on from it: his epochs rest on it.
  if (metadata_version_ != version_before) return replaced;
  // It never counted, and is in the winner's way only. What says so must be read once more: the
  // refusal alone may be of a write that was carried out.
  ZlayerWriter now;
  now.storage_ = storage_;
  if (now.load_metadata() && now.metadata_.snapshot.value_or(next_snapshot) != next_snapshot) {
    [[maybe_unused]] const auto ignored = storage_->remove(snapshot.object);
  }
  return replaced;
}

Result<void> ZlayerWriter::replace_metadata(zlayer::Metadata metadata) {
  const std::string name(zlayer::kMetadataObject);
  metadata.snapshot_count = listing_.snapshots.size();
  metadata.modified = utc_now();
  const std::string json = zlayer::encode_metadata(metadata);
  TRY(storage_->replace(name, as_bytes(json), metadata_version_));
  metadata_version_ = "";  // ours, whatever it is called: no other's
  TRY_ASSIGN(Storage::Content content, storage_->get(name, zlayer::kMetadataBytesMax));
  if (as_text(content.bytes) != json)
    return Error::locked(storage_->describe(name) + ": another writer has replaced it meanwhile");
  metadata_ = std::move(metadata);
  metadata_version_ = std::move(content.version);
  return {};
}

}  // namespace epochfs::engine
