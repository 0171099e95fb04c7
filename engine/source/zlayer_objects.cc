#include "engine/source/zlayer_objects.h"

#include <fmt/format.h>

#include <limits>

#include "engine/core/hash.h"
#include "engine/formats/zlayer/facts.h"
#include "engine/source/history.h"
#include "engine/source/zlayer_tail.h"

namespace epochfs::engine {
namespace {

using zlayer::UselessFacts;

// A database of nothing but zeros shrinks by far more; whoever has such a one of this size has
// room for a few megabytes of it, too.
constexpr std::uint64_t kPlainBytesAlways = 4ULL << 30U;
constexpr std::uint64_t kExpansionMax = 4096;

// What is read of it must be there to the end, used or not: half an object proves nothing.
Result<void> drain(ZstdStream& stream) {
  Bytes buffer(std::size_t{256} * 1024);
  std::size_t count = buffer.size();
  while (count == buffer.size()) {
    TRY_ASSIGN(count, stream.read(buffer));
  }
  return {};
}

Result<Bytes> useless(ZstdStream& stream, std::string reason) {
  TRY(drain(stream));
  return zlayer::encode_useless_facts({false, std::move(reason)}, stream.plain_bytes());
}

using OptionalTail = std::optional<zlayer::Tail>;

Failure not_as_claimed() { return Error::corrupt("not what it says of itself"); }

// A snapshot of our own says which pages it has.
Result<Bytes> snapshot_facts(const sqlite::DatabaseHeader& header,
                             const std::vector<std::uint64_t>& hashes, const OptionalTail& tail) {
  if (!tail) return zlayer::encode_snapshot_facts(header, hashes);
  const zlayer::Claim& claim = tail->claim;
  StateHash state;
  for (std::size_t i = 0; i < hashes.size(); ++i) state.add(page_no(i + 1), hashes[i]);
  state.add_size(std::uint64_t{hashes.size()} * header.page_size.bytes());
  if (claim.kind != zlayer::Claim::Kind::kSnapshot || claim.state != state ||
      claim.page_size != header.page_size)
    return not_as_claimed();
  return zlayer::encode_snapshot_facts(header, hashes,
                                       zlayer::GenerationName{claim.salts, claim.sequence});
}

Result<Bytes> examine_snapshot(ZstdStream& stream, const OptionalTail& tail) {
  Bytes page(PageSize::kMin);
  TRY_ASSIGN(std::size_t count, stream.read(page));
  if (count == 0 && !tail) return useless(stream, "an empty file");
  if (count == 0) {
    sqlite::DatabaseHeader of_nothing;
    of_nothing.page_size = tail->claim.page_size;
    return snapshot_facts(of_nothing, {}, tail);
  }
  const auto header = sqlite::parse_database_header(ByteView(page).first(count));
  if (!header || count < page.size())
    return Error::corrupt(header ? "too short for a database" : header.error().text);
  const std::size_t page_bytes = header->page_size.bytes();
  page.resize(page_bytes);
  TRY_ASSIGN(count, stream.read(MutableByteView(page).subspan(count)));
  count += PageSize::kMin;
  std::vector<std::uint64_t> hashes;
  while (count == page_bytes) {
    if (hashes.size() == kPageCountMax) return Error::corrupt("more pages than SQLite can count");
    hashes.push_back(page_hash(page));
    TRY_ASSIGN(count, stream.read(page));
  }
  if (count != 0) return Error::corrupt(fmt::format("{} bytes behind its last page", count));
  return snapshot_facts(*header, hashes, tail);
}

// The frames of a log, in order, as far as they are valid.
class WalScan {
 public:
  explicit WalScan(const sqlite::WalHeader& header) : header_(header), checksum_(header.checksum) {}

  // False: this frame ends the log.
  bool take(ByteView bytes) {
    const auto raw = bytes.first<sqlite::kWalFrameHeaderSize>();
    const ByteView page = bytes.subspan(sqlite::kWalFrameHeaderSize);
    const sqlite::WalFrameHeader frame = sqlite::parse_wal_frame_header(raw);
    if (frame.page == PageNo(0) || frame.salts != header_.salts ||
        content_.frames.size() == std::numeric_limits<std::uint32_t>::max())
      return false;
    checksum_ = chain_frame(checksum_, header_.order, raw, page);
    if (frame.checksum != checksum_) return false;
    content_.frames.push_back({frame.page, page_hash(page)});
    if (frame.page == PageNo(1) && !content_.change_counter) {
      const auto database = sqlite::parse_database_header(page);
      if (database) content_.change_counter = database->change_counter;
    }
    if (frame.database_pages != 0)
      content_.commits.push_back({static_cast<std::uint32_t>(content_.frames.size()),
                                  frame.database_pages, frame.checksum});
    return true;
  }

  Result<Bytes> facts(std::uint64_t plain_bytes, const OptionalTail& tail) && {
    content_.frames.resize(content_.commits.empty() ? 0 : content_.commits.back().frame);
    if (tail) TRY(take_claim(tail->claim));
    return zlayer::encode_wal_facts(header_, plain_bytes, content_);
  }

 private:
  // A copy of our own says where it ends.
  Result<void> take_claim(const zlayer::Claim& claim) {
    const sqlite::WalChecksum end =
        content_.commits.empty() ? header_.checksum : content_.commits.back().checksum;
    if (claim.kind != zlayer::Claim::Kind::kCopy || claim.salts != header_.salts ||
        claim.sequence != header_.sequence || claim.frame != content_.frames.size() ||
        claim.checksum != end)
      return not_as_claimed();
    content_.base = claim.base;
    return {};
  }

  sqlite::WalHeader header_;
  sqlite::WalChecksum checksum_;
  zlayer::WalContent content_;
};

Result<Bytes> examine_wal(ZstdStream& stream, const OptionalTail& tail) {
  Bytes bytes(sqlite::kWalHeaderSize);
  TRY_ASSIGN(const std::size_t header_bytes, stream.read(bytes));
  if (header_bytes == 0) return useless(stream, "an empty log");
  const auto header = sqlite::parse_wal_header(ByteView(bytes).first(header_bytes));
  if (!header) return useless(stream, header.error().text);
  WalScan scan(*header);
  bytes.resize(sqlite::kWalFrameHeaderSize + header->page_size.bytes());
  bool goes_on = true;
  while (goes_on) {
    TRY_ASSIGN(const std::size_t count, stream.read(bytes));
    goes_on = count == bytes.size() && scan.take(bytes);
  }
  TRY(drain(stream));
  return std::move(scan).facts(stream.plain_bytes(), tail);
}

template <class Examine>
Result<Bytes> examined(const std::shared_ptr<const Blob>& blob, const Examine& examine) {
  ZstdStream stream = open_zlayer_stream(blob);
  auto facts = read_zlayer_tail(*blob).and_then(
      [&](const OptionalTail& tail) { return examine(stream, tail); });
  if (facts || !is_damage(facts.error())) return facts;
  return zlayer::encode_useless_facts({true, std::move(facts).error().text}, stream.plain_bytes());
}

}  // namespace

ZstdStream open_zlayer_stream(const std::shared_ptr<const Blob>& blob) {
  return {blob, kPlainBytesAlways + blob->size_bytes() * kExpansionMax};
}

Result<Bytes> examine_zlayer_snapshot(const std::shared_ptr<const Blob>& blob) {
  return examined(blob, examine_snapshot);
}

Result<Bytes> examine_zlayer_wal(const std::shared_ptr<const Blob>& blob) {
  return examined(blob, examine_wal);
}

}  // namespace epochfs::engine
