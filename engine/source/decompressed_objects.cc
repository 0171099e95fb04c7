#include "engine/source/decompressed_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/segment/zstd_stream.h"
#include "engine/storage/local_storage.h"
#include "engine/storage/local_upload.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

constexpr std::chrono::hours kUnfinishedFor{24};
constexpr std::size_t kPieceBytes = std::size_t{1024} * 1024;

Sha256Digest identity_of(const DecompressedObjects::Object& object) {
  return Sha256::of(as_bytes(fmt::format("{}\n{}", object.name, object.version)));
}

std::uint64_t key_of(const Sha256Digest& identity) { return load_le<std::uint64_t>(identity); }

std::string file_of(const Sha256Digest& identity) { return to_hex(identity); }

// Where files have names from the beginning: what a process left that died.
void remove_abandoned(const std::string& directory) {
  std::error_code error;
  const auto dead_since = files::file_time_type::clock::now() - kUnfinishedFor;
  for (files::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (!at->path().filename().string().starts_with(local::kTemporaryPrefix)) continue;
    std::error_code gone;
    const auto used = at->last_write_time(gone);
    if (!gone && used < dead_since) files::remove(at->path(), gone);
  }
}

}  // namespace

DecompressedObjects::DecompressedObjects(std::shared_ptr<const Storage> storage,
                                         const std::string& directory, std::uint64_t bytes_max)
    : storage_(std::move(storage)), files_(open_local_storage(directory)), bytes_max_(bytes_max) {}

Result<std::shared_ptr<const Blob>> DecompressedObjects::open(const Object& object) {
  const Sha256Digest identity = identity_of(object);
  const std::uint64_t key = key_of(identity);
  return open_.get(key, [&] {
    const auto asked = SharedFailure::Clock::now();
    Turn& turn = turns_[key % turns_.size()];
    const std::lock_guard lock(turn.mutex);
    if (const Error* const failure = turn.failure.since(asked))
      return Result<std::shared_ptr<const Blob>>(tl::unexpected(*failure));
    auto opened = open_file(object, file_of(identity));
    turn.failure.note(opened);
    return opened;
  });
}

void DecompressedObjects::discard(const Object& object) {
  const Sha256Digest identity = identity_of(object);
  open_.forget(key_of(identity));
  // What cannot be removed will be found wrong again, and say so.
  [[maybe_unused]] const auto ignored = files_->remove(file_of(identity));
}

Result<std::shared_ptr<const Blob>> DecompressedObjects::open_file(const Object& object,
                                                                   const std::string& file) {
  constexpr int kTries = 8;  // somebody may remove the directory at any time
  for (int tries = 1;; ++tries) {
    auto found = files_->open(file);
    if (found && (*found)->size_bytes() == object.plain_bytes) return found;
    if (found) TRY(files_->remove(file));
    auto made = decompress(object, file);
    if (!made && made.error().code == Code::kNoSpace && tries == 1) {
      TRY(make_room(bytes_max_));
      continue;
    }
    auto opened = made.and_then([&] { return files_->open(file); });
    if (opened || opened.error().code != Code::kNotFound) return opened;
    if (tries == kTries) return Error::io(std::move(opened).error().text);
  }
}

Result<void> DecompressedObjects::decompress(const Object& object, const std::string& file) {
  const auto blob = storage_->open(object.name);
  if (!blob && blob.error().code == Code::kNotFound)
    return Error::corrupt(printable(object.name) + " is missing");
  if (!blob) return tl::unexpected(blob.error());
  if ((*blob)->version() != object.version)
    return Error::corrupt(printable(object.name) + " was replaced since it was indexed");
  TRY(make_room(object.plain_bytes));
  TRY_ASSIGN(const auto upload, files_->create(file));
  ZstdStream stream(*blob, object.plain_bytes);
  Bytes piece(kPieceBytes);
  std::size_t count = piece.size();
  while (count == piece.size()) {
    TRY_ASSIGN(count, with_context(stream.read(piece), [&] { return printable(object.name); }));
    TRY(upload->append(ByteView(piece).first(count)));
  }
  if (stream.plain_bytes() != object.plain_bytes)
    return Error::corrupt(printable(object.name) + " is shorter than when it was indexed");
  bytes_read_.fetch_add((*blob)->size_bytes(), std::memory_order_relaxed);
  auto finished = upload->finish();
  // Another process was as fast.
  if (!finished && finished.error().code == Code::kExists) return {};
  return finished;
}

Result<void> DecompressedObjects::make_room(std::uint64_t bytes) {
  remove_abandoned(files_->location());
  auto listing = files_->list("");
  if (!listing && listing.error().code == Code::kNotFound) return {};
  if (!listing) return tl::unexpected(std::move(listing).error());
  std::ranges::sort(listing->objects, {}, &ObjectInfo::modified);
  std::uint64_t held = 0;
  for (const ObjectInfo& file : listing->objects) held += file.size_bytes;
  for (const ObjectInfo& file : listing->objects) {
    if (held == 0 || held + bytes <= bytes_max_) return {};
    TRY(files_->remove(file.name));
    // While it is held open it takes its room all the same.
    if (const auto identity = sha256_from_hex(file.name)) open_.forget(key_of(*identity));
    held -= file.size_bytes;
  }
  return {};
}

}  // namespace epochfs::engine
