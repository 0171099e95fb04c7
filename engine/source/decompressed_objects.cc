#include "engine/source/decompressed_objects.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/segment/zstd_stream.h"
#include "engine/storage/local_storage.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1024} * 1024;

Sha256Digest identity_of(const DecompressedObjects::Object& object) {
  return Sha256::of(as_bytes(fmt::format("{}\n{}", object.name, object.version)));
}

std::uint64_t key_of(const Sha256Digest& identity) { return load_le<std::uint64_t>(identity); }

std::string file_of(const Sha256Digest& identity) { return to_hex(identity); }

}  // namespace

DecompressedObjects::DecompressedObjects(std::shared_ptr<const Storage> storage,
                                         const std::string& directory, std::uint64_t bytes_max)
    : storage_(std::move(storage)), files_(open_local_storage(directory)), bytes_max_(bytes_max) {}

Result<std::shared_ptr<const Blob>> DecompressedObjects::open(const Object& object) {
  const Sha256Digest identity = identity_of(object);
  const std::uint64_t key = key_of(identity);
  return open_.get(key, [&] {
    const std::lock_guard lock(mutexes_[key % mutexes_.size()]);
    return open_file(object, file_of(identity));
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
  auto found = files_->open(file);
  if (found && (*found)->size_bytes() == object.plain_bytes) return found;
  if (found) TRY(files_->remove(file));
  TRY(decompress(object, file));
  return files_->open(file);
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
  auto listing = files_->list("");
  if (!listing && listing.error().code == Code::kNotFound) return {};
  if (!listing) return tl::unexpected(std::move(listing).error());
  std::ranges::sort(listing->objects, {}, &ObjectInfo::modified);
  std::uint64_t held = 0;
  for (const ObjectInfo& file : listing->objects) held += file.size_bytes;
  for (const ObjectInfo& file : listing->objects) {
    if (held == 0 || held + bytes <= bytes_max_) return {};
    TRY(files_->remove(file.name));
    held -= file.size_bytes;
  }
  return {};
}

}  // namespace epochfs::engine
