#include "engine/source/decompressed_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
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

std::uint64_t key_of(const Sha256Digest& identity) { return load_le<std::uint64_t>(identity); }

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

DecompressedObjects::Front DecompressedObjects::front_of(const Object& object,
                                                         std::uint64_t wanted_bytes) {
  const std::uint64_t size =
      std::min(std::bit_ceil(std::max(wanted_bytes, kFrontBytesMin)), object.plain_bytes);
  std::string identity = fmt::format("{}\n{}", object.name, object.version);
  if (size < object.plain_bytes) identity += fmt::format("\n{}", size);
  const Sha256Digest digest = Sha256::of(as_bytes(identity));
  return {&object, size, key_of(digest), to_hex(digest)};
}

Result<std::shared_ptr<const Blob>> DecompressedObjects::open(const Object& object) {
  const Front front = front_of(object, std::min(object.wanted_bytes, object.plain_bytes));
  return open_.get(front.key, [&] {
    const auto asked = SharedFailure::Clock::now();
    Turn& turn = turns_[front.key % turns_.size()];
    const std::lock_guard lock(turn.mutex);
    if (const Error* const failure = turn.failure.since(asked))
      return Result<std::shared_ptr<const Blob>>(tl::unexpected(*failure));
    auto opened = open_file(front);
    turn.failure.note(opened);
    return opened;
  });
}

void DecompressedObjects::discard(const Object& object) {
  for (const std::uint64_t bytes : {object.wanted_bytes, object.plain_bytes}) {
    const Front front = front_of(object, std::min(bytes, object.plain_bytes));
    open_.forget(front.key);
    // What cannot be removed will be found wrong again, and say so.
    [[maybe_unused]] const auto ignored = files_->remove(front.file);
  }
}

Result<std::shared_ptr<const Blob>> DecompressedObjects::open_file(const Front& front) {
  const Front whole = front_of(*front.object, front.object->plain_bytes);
  constexpr int kTries = 8;  // somebody may remove the directory at any time
  for (int tries = 1;; ++tries) {
    for (const Front* const one : {&whole, &front}) {
      auto found = files_->open(one->file);
      if (found && (*found)->size_bytes() == one->bytes) return found;
      if (found) TRY(files_->remove(one->file));
    }
    auto made = decompress(front);
    if (!made && made.error().code == Code::kNoSpace && tries == 1) {
      TRY(make_room(bytes_max_));
      continue;
    }
    auto opened = made.and_then([&] { return files_->open(front.file); });
    if (opened || opened.error().code != Code::kNotFound) return opened;
    if (tries == kTries) return Error::io(std::move(opened).error().text);
  }
}

Result<void> DecompressedObjects::decompress(const Front& front) {
  const Object& object = *front.object;
  const auto blob = storage_->open(object.name);
  if (!blob && blob.error().code == Code::kNotFound)
    return Error::corrupt(printable(object.name) + " is missing");
  if (!blob) return tl::unexpected(blob.error());
  if ((*blob)->version() != object.version)
    return Error::corrupt(printable(object.name) + " was replaced since it was indexed");
  TRY(make_room(front.bytes));
  TRY_ASSIGN(const auto upload, files_->create(front.file));
  ZstdStream stream(*blob, object.plain_bytes);
  Bytes buffer(kPieceBytes);
  // Of what is wanted whole, the end is looked for too.
  const bool is_whole = front.bytes == object.plain_bytes;
  while (is_whole || stream.plain_bytes() < front.bytes) {
    const std::uint64_t left = front.bytes - stream.plain_bytes();
    const auto piece = MutableByteView(buffer).first(static_cast<std::size_t>(
        is_whole ? buffer.size() : std::min<std::uint64_t>(buffer.size(), left)));
    TRY_ASSIGN(const std::size_t count,
               with_context(stream.read(piece), [&] { return printable(object.name); }));
    TRY(upload->append(ByteView(piece).first(count)));
    if (count < piece.size()) break;
  }
  if (stream.plain_bytes() != front.bytes)
    return Error::corrupt(printable(object.name) + " is shorter than when it was indexed");
  bytes_read_.fetch_add(stream.stored_bytes(), std::memory_order_relaxed);
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
