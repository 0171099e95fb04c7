#include "engine/repo/zlayer_copy_writer.h"

#include <algorithm>
#include <limits>

#include "engine/capture/spool.h"
#include "engine/core/hash.h"
#include "engine/segment/codec.h"
#include "engine/source/zlayer_tail.h"

namespace epochfs::engine {
namespace {

// Far above what any frame of ours takes.
constexpr std::uint32_t kFrameBytesMax = 4 * 1024 * 1024;

}  // namespace

Result<void> visit_zlayer_frames(const Blob& copy, const zlayer::Claim& claim,
                                 const ZlayerFrameVisitor& visit) {
  TRY_ASSIGN(const auto tail, read_zlayer_tail(copy));
  if (!tail || tail->claim != claim)
    return Error::corrupt("the newest copy of the log is another one than it was");
  std::uint64_t at = 0;
  Bytes plain;
  for (const zlayer::StoredFrame& frame : tail->frames) {
    if (frame.stored_bytes > kFrameBytesMax || frame.plain_bytes > kFrameBytesMax)
      return Error::corrupt("the newest copy of the log has a frame of an impossible size");
    Bytes stored(frame.stored_bytes);
    TRY(copy.read(at, stored));
    plain.resize(frame.plain_bytes);
    TRY(with_context(decompress_frame(stored, {}, plain),
                     [] { return std::string("the newest copy of the log"); }));
    TRY(visit(std::move(stored), frame.plain_bytes));
    at += frame.stored_bytes;
  }
  return {};
}

ZlayerCopyWriter::ZlayerCopyWriter(Upload& upload, ZlayerTip tip, std::string temp_directory)
    : upload_(upload),
      tip_(std::move(tip)),
      temp_directory_(std::move(temp_directory)),
      frames_([this](ByteView stored) {
        stored_bytes_ += stored.size();
        return upload_.append(stored);
      }) {}

Result<void> ZlayerCopyWriter::begin(const Blob* before) {
  if (before != nullptr)
    return visit_zlayer_frames(*before, tip_.claim, [this](Bytes stored, std::uint32_t plain) {
      return frames_.append_stored(std::move(stored), plain);
    });
  zlayer::Claim& claim = tip_.claim;
  const sqlite::WalHeader header = zlayer::generation_header(claim);
  claim.kind = zlayer::Claim::Kind::kCopy;
  claim.frame = 0;
  claim.checksum = header.checksum;
  return frames_.append(sqlite::encode_wal_header(header));
}

Result<bool> ZlayerCopyWriter::add(ChangeBatch& batch) {
  const PageSize page_size = tip_.claim.page_size;
  TRY_ASSIGN(Spool spool, Spool::create(temp_directory_));
  std::vector<Version> versions;
  std::vector<std::uint64_t>& pages = tip_.pages;
  TRY(batch.visit([&](PageNo page, std::uint32_t ordinal, ByteView bytes) -> Result<void> {
    if (page.get() > pages.size()) pages.resize(page.get());
    pages[page.get() - 1U] = page_hash(bytes);
    versions.push_back({page, ordinal, versions.size()});
    return spool.append(bytes);
  }));
  // By commits; the pages of each stay in their order.
  std::ranges::stable_sort(versions, {}, &Version::ordinal);
  auto first = versions.begin();
  const std::vector<EpochDraft>& epochs = batch.epochs();
  for (std::uint32_t ordinal = 0; ordinal < epochs.size(); ++ordinal) {
    const auto last =
        std::ranges::upper_bound(first, versions.end(), ordinal, {}, &Version::ordinal);
    const auto pages_after =
        static_cast<std::uint32_t>(page_size.pages_in(epochs[ordinal].size_bytes));
    if (first == last || pages_after == 0) return false;
    TRY(add_commit(std::span(first, last), pages_after, spool.source()));
    first = last;
  }
  pages.resize(tip_.claim.pages);
  epochs_added_ += epochs.size();
  pages_added_ += versions.size();
  tip_.epoch = Epoch(tip_.epoch.get() + epochs.size());
  return true;
}

Result<void> ZlayerCopyWriter::add_commit(std::span<const Version> versions,
                                          std::uint32_t pages_after, ByteSource& spooled) {
  zlayer::Claim& claim = tip_.claim;
  if (versions.size() > std::numeric_limits<std::uint32_t>::max() - claim.frame)
    return Error::invalid("more pages than a log has frames for: back up with --full");
  const sqlite::WordOrder order = sqlite::WalHeader().order;
  Bytes page(claim.page_size.bytes());
  for (const Version& version : versions) {
    TRY(spooled.read_at(version.place * page.size(), page));
    sqlite::WalFrameHeader header;
    header.page = version.page;
    header.database_pages = &version == &versions.back() ? pages_after : 0;
    header.salts = claim.salts;
    const auto raw = sqlite::encode_wal_frame_header(header, claim.checksum, order, page);
    claim.checksum = sqlite::parse_wal_frame_header(raw).checksum;
    ++claim.frame;
    TRY(frames_.append(raw));
    TRY(frames_.append(page));
  }
  claim.pages = pages_after;
  return {};
}

Result<std::uint64_t> ZlayerCopyWriter::stored_bytes() {
  TRY(frames_.finish());
  return stored_bytes_;
}

Result<ZlayerTip> ZlayerCopyWriter::finish() {
  TRY(frames_.finish());
  zlayer::Claim& claim = tip_.claim;
  claim.state = state_of(tip_.pages, claim.page_size);
  claim.cursor = tip_.cursor ? native::encode_cursor(*tip_.cursor) : std::string();
  const Bytes tail = zlayer::encode_tail(claim, frames_.frames());
  TRY(upload_.append(tail));
  return std::move(tip_);
}

}  // namespace epochfs::engine
