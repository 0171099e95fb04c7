#include "engine/formats/zlayer/tail.h"

#include <fmt/format.h>

#include <limits>

namespace epochfs::engine::zlayer {
namespace {

// A skippable frame: magic number, bytes that follow.
constexpr std::uint32_t kClaimFrame = 0x184d2a57;
constexpr std::uint32_t kTableFrame = 0x184d2a5e;
constexpr std::size_t kFrameHeaderBytes = 8;
// The end of the table: frames, flags, magic number.
constexpr std::uint32_t kTableMagic = 0x8f92eab1;
constexpr std::size_t kFooterBytes = 9;
constexpr std::size_t kEntryBytes = 8;
static_assert(kTailEndBytes == kEntryBytes + kFooterBytes);

constexpr std::uint64_t kClaimMagic = 0x317265796c7a6665;  // "efzlyer1"
constexpr std::size_t kClaimHashBytes = 8;

Bytes encode_claim(const Claim& claim) {
  ByteWriter out;
  out.put_le(kClaimMagic);
  out.put_le(static_cast<std::uint8_t>(claim.kind));
  out.put_le(static_cast<std::uint8_t>(claim.is_closed ? 1 : 0));
  for (const std::uint32_t number :
       {claim.page_size.bytes(), claim.salts.first, claim.salts.second, claim.sequence})
    out.put_le(number);
  for (const StateHash* state : {&claim.base, &claim.state}) {
    out.put_le(state->high());
    out.put_le(state->low());
  }
  for (const std::uint32_t number :
       {claim.pages, claim.frame, claim.checksum.first, claim.checksum.second})
    out.put_le(number);
  out.put_le(static_cast<std::uint32_t>(claim.cursor.size()));
  out.put(as_bytes(claim.cursor));
  out.put_le(page_hash(out.view()));
  return std::move(out).take();
}

Result<StateHash> take_state(ByteCursor& in) {
  TRY_ASSIGN(const auto high, in.take_le<std::uint64_t>());
  TRY_ASSIGN(const auto low, in.take_le<std::uint64_t>());
  return StateHash(high, low);
}

// Behind its magic number and without its hash.
Result<Claim> parse_claim(ByteCursor in) {
  Claim claim;
  TRY_ASSIGN(const auto kind, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const auto is_closed, in.take_le<std::uint8_t>());
  const bool is_snapshot = kind == static_cast<std::uint8_t>(Claim::Kind::kSnapshot);
  const bool is_copy = kind == static_cast<std::uint8_t>(Claim::Kind::kCopy);
  if (!(is_snapshot || is_copy) || is_closed > 1) return Error::corrupt("a claim of another kind");
  claim.kind = is_copy ? Claim::Kind::kCopy : Claim::Kind::kSnapshot;
  claim.is_closed = is_closed != 0;
  TRY_ASSIGN(const auto page_bytes, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.page_size, PageSize::from(page_bytes));
  TRY_ASSIGN(claim.salts.first, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.salts.second, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.sequence, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.base, take_state(in));
  TRY_ASSIGN(claim.state, take_state(in));
  TRY_ASSIGN(claim.pages, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.frame, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.checksum.first, in.take_le<std::uint32_t>());
  TRY_ASSIGN(claim.checksum.second, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto cursor_bytes, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const ByteView cursor, in.take(cursor_bytes));
  TRY(in.expect_end());
  claim.cursor = as_text(cursor);
  return claim;
}

// nullopt: the frame is somebody else's.
Result<std::optional<Claim>> parse_claim_frame(ByteView frame) {
  ByteCursor in(frame);
  TRY_ASSIGN(const auto magic, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto size, in.take_le<std::uint32_t>());
  if (magic != kClaimFrame || size != in.left() || size < sizeof(kClaimMagic) + kClaimHashBytes)
    return std::optional<Claim>();
  const ByteView hashed = frame.subspan(kFrameHeaderBytes, size - kClaimHashBytes);
  if (page_hash(hashed) != load_le<std::uint64_t>(frame.last(kClaimHashBytes)))
    return Error::corrupt("what it says of itself is damaged");
  ByteCursor claim(hashed);
  TRY_ASSIGN(const auto claim_magic, claim.take_le<std::uint64_t>());
  if (claim_magic != kClaimMagic) return std::optional<Claim>();
  return parse_claim(claim);
}

}  // namespace

sqlite::WalHeader generation_header(const Claim& claim) noexcept {
  sqlite::WalHeader header;
  header.page_size = claim.page_size;
  header.sequence = claim.sequence;
  header.salts = claim.salts;
  const auto raw = sqlite::encode_wal_header(header);
  constexpr std::size_t kSummed = sqlite::kWalHeaderSize - sizeof(sqlite::WalChecksum);
  header.checksum = sqlite::extend({}, header.order, ByteView(raw).first(kSummed));
  return header;
}

std::uint64_t Tail::stored_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const StoredFrame& frame : frames) sum += frame.stored_bytes;
  return sum;
}

Bytes encode_tail(const Claim& claim, std::span<const StoredFrame> frames) {
  const Bytes claim_bytes = encode_claim(claim);
  const auto claim_size = static_cast<std::uint32_t>(claim_bytes.size());
  const auto frame_count = static_cast<std::uint32_t>(frames.size() + 1);
  ByteWriter out;
  out.put_le(kClaimFrame);
  out.put_le(claim_size);
  out.put(claim_bytes);
  out.put_le(kTableFrame);
  out.put_le(static_cast<std::uint32_t>(frame_count * kEntryBytes + kFooterBytes));
  for (const StoredFrame& frame : frames) {
    out.put_le(frame.stored_bytes);
    out.put_le(frame.plain_bytes);
  }
  out.put_le(static_cast<std::uint32_t>(kFrameHeaderBytes + claim_size));
  out.put_le(std::uint32_t{0});
  out.put_le(frame_count);
  out.put_le(std::uint8_t{0});
  out.put_le(kTableMagic);
  return std::move(out).take();
}

std::optional<std::uint64_t> tail_bytes(std::span<const std::byte, kTailEndBytes> end) noexcept {
  const ByteView footer = end.last<kFooterBytes>();
  if (load_le<std::uint32_t>(footer.subspan(5)) != kTableMagic || footer[4] != std::byte{0})
    return std::nullopt;
  const auto frame_count = load_le<std::uint32_t>(footer);
  const auto claim_bytes = load_le<std::uint32_t>(end);
  if (frame_count == 0 || load_le<std::uint32_t>(ByteView(end).subspan(4)) != 0)
    return std::nullopt;
  return std::uint64_t{claim_bytes} + kFrameHeaderBytes + std::uint64_t{frame_count} * kEntryBytes +
         kFooterBytes;
}

Result<std::optional<Tail>> parse_tail(ByteView bytes, std::uint64_t object_bytes) {
  if (bytes.size() < kTailEndBytes) return Error::corrupt("its table of frames is cut off");
  const auto claim_bytes = load_le<std::uint32_t>(bytes.last(kTailEndBytes));
  const auto frame_count = load_le<std::uint32_t>(bytes.last(kFooterBytes));
  ByteCursor in(bytes);
  TRY_ASSIGN(const ByteView claim_frame, in.take(claim_bytes));
  TRY_ASSIGN(const auto claim, parse_claim_frame(claim_frame));
  if (!claim) return std::optional<Tail>();
  TRY_ASSIGN(const auto magic, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto table_bytes, in.take_le<std::uint32_t>());
  if (magic != kTableFrame || table_bytes != in.left() || frame_count == 0 ||
      in.left() != std::uint64_t{frame_count} * kEntryBytes + kFooterBytes)
    return Error::corrupt("its table of frames is damaged");
  Tail tail{*claim, {}};
  tail.frames.reserve(frame_count - 1);
  for (std::uint32_t i = 0; i + 1 < frame_count; ++i) {
    StoredFrame frame;
    TRY_ASSIGN(frame.stored_bytes, in.take_le<std::uint32_t>());
    TRY_ASSIGN(frame.plain_bytes, in.take_le<std::uint32_t>());
    tail.frames.push_back(frame);
  }
  if (tail.stored_bytes() + bytes.size() != object_bytes)
    return Error::corrupt("its table of frames is damaged");
  return std::optional(std::move(tail));
}

}  // namespace epochfs::engine::zlayer
