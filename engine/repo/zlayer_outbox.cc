#include "engine/repo/zlayer_outbox.h"

#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <system_error>

#include "engine/core/hash.h"
#include "engine/repo/opened_index.h"
#include "engine/storage/has_object.h"
#include "engine/storage/local_storage.h"

namespace epochfs::engine {
namespace {

constexpr std::string_view kDirectory = "outbox";
constexpr std::string_view kStateFile = "state";
constexpr std::uint64_t kStateBytesMax = 64ULL << 30U;
constexpr std::uint64_t kOutboxMagic = 0x31786f62747a6665;  // "efztbox1"

void put_text(ByteWriter& out, ByteView bytes) {
  out.put_varint(bytes.size());
  out.put(bytes);
}

Result<ByteView> take_text(ByteCursor& in) {
  TRY_ASSIGN(const std::uint64_t size, in.take_varint());
  if (size > in.left()) return Error::corrupt("cut off");
  return in.take(static_cast<std::size_t>(size));
}

Result<zlayer::Claim> take_claim(ByteCursor& in) {
  TRY_ASSIGN(const ByteView bytes, take_text(in));
  TRY_ASSIGN(const auto tail, zlayer::parse_tail(bytes, bytes.size()));
  if (!tail) return Error::corrupt("no claim");
  return tail->claim;
}

Bytes encode_kept(const ZlayerOutbox::Kept& kept) {
  ByteWriter out;
  out.put_le(kOutboxMagic);
  put_text(out, as_bytes(kept.copy));
  put_text(out, zlayer::encode_tail(kept.sent, {}));
  out.put_le(kept.names);
  out.put_le(static_cast<std::uint8_t>(kept.is_sent ? 1 : 0));
  out.put_varint(kept.unsent_epochs);
  const ZlayerTip& tip = kept.tip;
  out.put_varint(tip.epoch.get());
  put_text(out, as_bytes(tip.snapshot));
  out.put_varint(tip.snapshot_bytes);
  out.put_varint(tip.chain_bytes);
  put_text(out, zlayer::encode_tail(tip.claim, {}));
  put_text(out, as_bytes(tip.cursor ? native::encode_cursor(*tip.cursor) : std::string()));
  for (const std::uint64_t hash : tip.pages) out.put_le(hash);
  out.put_le(page_hash(out.view()));
  return std::move(out).take();
}

Result<ZlayerTip> take_tip(ByteCursor& in) {
  ZlayerTip tip;
  TRY_ASSIGN(const std::uint64_t epoch, in.take_varint());
  tip.epoch = Epoch(epoch);
  TRY_ASSIGN(const ByteView snapshot, take_text(in));
  tip.snapshot = as_text(snapshot);
  TRY_ASSIGN(tip.snapshot_bytes, in.take_varint());
  TRY_ASSIGN(tip.chain_bytes, in.take_varint());
  TRY_ASSIGN(tip.claim, take_claim(in));
  TRY_ASSIGN(const ByteView cursor, take_text(in));
  if (!cursor.empty()) {
    TRY_ASSIGN(tip.cursor, native::parse_cursor(cursor));
  }
  if (in.left() != std::size_t{tip.claim.pages} * sizeof(std::uint64_t))
    return Error::corrupt("hashes of another number of pages");
  tip.pages.reserve(tip.claim.pages);
  for (std::uint32_t page = 0; page < tip.claim.pages; ++page) {
    TRY_ASSIGN(const auto hash, in.take_le<std::uint64_t>());
    tip.pages.push_back(hash);
  }
  return tip;
}

Result<ZlayerOutbox::Kept> parse_kept(ByteView bytes) {
  if (bytes.size() < 2 * sizeof(std::uint64_t)) return Error::corrupt("cut off");
  const ByteView hashed = bytes.first(bytes.size() - sizeof(std::uint64_t));
  if (page_hash(hashed) != load_le<std::uint64_t>(bytes.last(sizeof(std::uint64_t))))
    return Error::corrupt("damaged");
  ByteCursor in(hashed);
  TRY_ASSIGN(const auto magic, in.take_le<std::uint64_t>());
  if (magic != kOutboxMagic) return Error::unsupported("another version");
  ZlayerOutbox::Kept kept;
  TRY_ASSIGN(const ByteView copy, take_text(in));
  kept.copy = as_text(copy);
  TRY_ASSIGN(kept.sent, take_claim(in));
  TRY_ASSIGN(kept.names, in.take_le<std::uint64_t>());
  TRY_ASSIGN(const auto is_sent, in.take_le<std::uint8_t>());
  kept.is_sent = is_sent != 0;
  TRY_ASSIGN(kept.unsent_epochs, in.take_varint());
  TRY_ASSIGN(kept.tip, take_tip(in));
  return kept;
}

// What was kept before an object store's endpoint was part of the name belongs to the first that
// asks for it. A lock in there goes with it.
std::string place_of(const std::string& cache, const std::string& location,
                     const std::string& source, bool may_move) {
  const std::string id = "zlayer outbox\n" + source;
  std::string place = place_directory(cache, location, id);
  std::string before = place_directory_of_any_store(cache, location, id);
  std::error_code error;
  const bool is_elsewhere =
      place != before && !std::filesystem::exists(place, error) &&
      std::filesystem::exists(fmt::format("{}/{}/{}", before, kDirectory, kStateFile), error);
  if (!is_elsewhere) return place;
  if (!may_move) return before;
  std::filesystem::rename(before, place, error);
  return error ? before : place;
}

}  // namespace

Result<ZlayerOutbox> ZlayerOutbox::open(const std::string& cache_directory,
                                        const std::string& location, const std::string& source,
                                        Lock lock) {
  std::optional<Error> failure;
  for (const std::string& cache : cache_directories(cache_directory)) {
    ZlayerOutbox outbox;
    auto opened = lock == Lock::kNone ? Result<void>() : claim_cache_directory(cache);
    outbox.files_ = open_local_storage(place_of(cache, location, source, lock != Lock::kNone) +
                                       "/" + std::string(kDirectory));
    if (opened && lock != Lock::kNone) opened = outbox.lock(lock == Lock::kWaitFor);
    if (opened) opened = outbox.load();
    if (opened) return outbox;
    if (opened.error().code == Code::kLocked) return tl::unexpected(std::move(opened).error());
    if (!failure) failure = std::move(opened).error();
  }
  return tl::unexpected(*std::move(failure));
}

Result<void> ZlayerOutbox::lock(bool wait) {
  TRY_ASSIGN(lock_, files_->lock_writer("", wait));
  return {};
}

Result<void> ZlayerOutbox::load() {
  auto content = files_->get(kStateFile, kStateBytesMax);
  if (!content && content.error().code == Code::kNotFound) return {};
  if (!content) return tl::unexpected(std::move(content).error());
  version_ = std::move(content->version);
  if (auto kept = parse_kept(content->bytes)) kept_ = *std::move(kept);
  return {};
}

Result<void> ZlayerOutbox::keep(Kept kept) {
  const Bytes state = encode_kept(kept);
  auto replaced = files_->replace(kStateFile, state, version_);
  if (!replaced && replaced.error().code == Code::kLocked && version_) {
    // Nobody else writes here, but caches may be cleared at any time.
    TRY_ASSIGN(const bool is_there, has_object(*files_, kStateFile));
    if (!is_there) replaced = files_->replace(kStateFile, state, std::nullopt);
  }
  TRY(replaced);
  TRY_ASSIGN(const ObjectInfo info, files_->stat(kStateFile));
  version_ = info.version;
  kept_ = std::move(kept);
  return remove_copies_but(kept_->copy);
}

Result<void> ZlayerOutbox::forget() {
  TRY(files_->remove(kStateFile));
  version_.reset();
  kept_.reset();
  return remove_copies_but({});
}

Result<void> ZlayerOutbox::remove_copies_but(const std::string& name) {
  TRY_ASSIGN(const Listing listing, files_->list(""));
  for (const ObjectInfo& file : listing.objects) {
    if (file.name != kStateFile && file.name != name) TRY(files_->remove(file.name));
  }
  return {};
}

Result<ZlayerOutbox::OpenCopy> ZlayerOutbox::begin_copy() {
  OpenCopy copy{fmt::format("copy-{}.wal.zst", random_identity().substr(0, 8)), nullptr};
  TRY_ASSIGN(copy.upload, files_->create(copy.name));
  return copy;
}

}  // namespace epochfs::engine
