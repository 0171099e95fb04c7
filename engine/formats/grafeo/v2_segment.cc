#include "engine/formats/grafeo/v2_segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "engine/core/hash.h"

namespace epochfs::engine::grafeo {
namespace {

namespace segment_layout {
inline constexpr Field<std::uint64_t, 0> kMagic;
inline constexpr Field<std::uint16_t, kMagic.end> kVersion;
inline constexpr Field<std::uint16_t, kVersion.end> kHeaderBytes;
inline constexpr Field<std::uint32_t, kHeaderBytes.end> kFlags;
inline constexpr std::size_t kDatabaseId = kFlags.end;
inline constexpr Field<std::uint64_t, kDatabaseId + 16> kFirstLsn;
inline constexpr Field<std::uint64_t, kFirstLsn.end> kCreated;
// Salt and key check of an encrypted log, and what is reserved.
inline constexpr std::size_t kUnusedEnd = kCreated.end + 32 + 28 + 16;
inline constexpr Field<std::uint32_t, kUnusedEnd> kChecksum;
static_assert(kChecksum.end == kV2SegmentHeaderSize);
}  // namespace segment_layout

constexpr std::uint64_t kSegmentMagic = 0x004c415746415247;  // "GRAFWAL\0"
constexpr std::uint16_t kSegmentVersion = 2;
constexpr std::uint32_t kEncryptedSegment = 1;
constexpr std::uint32_t kIncompatibleSegment = 0xffff;  // flags that must be known

constexpr std::string_view kNameStart = "wal_";
constexpr std::string_view kNameEnd = ".log";
constexpr std::size_t kNameDigits = 20;

using RawSegmentHeader = std::span<const std::byte, kV2SegmentHeaderSize>;

std::uint32_t segment_header_crc(RawSegmentHeader raw) {
  Crc32 crc;
  crc.update(raw.first<segment_layout::kChecksum.offset>());
  return crc.value();
}

// Of a header whose checksum is right.
Result<void> check_segment_features(RawSegmentHeader raw) {
  using namespace segment_layout;
  const std::uint16_t version = load(raw, kVersion);
  if (version > kSegmentVersion)
    return Error::unsupported(
        fmt::format("log segment version {}: written by a newer release of Grafeo", version));
  if (version < kSegmentVersion)
    return Error::corrupt(fmt::format("log segment version {}", version));
  const std::uint32_t flags = load(raw, kFlags) & kIncompatibleSegment;
  if ((flags & kEncryptedSegment) != 0) return Error::unsupported("the log is encrypted");
  if (flags != 0)
    return Error::unsupported(fmt::format("the log needs unknown features {:#x}", flags));
  if (load(raw, kHeaderBytes) != kV2SegmentHeaderSize)
    return Error::corrupt(fmt::format("log segment header of {} bytes", load(raw, kHeaderBytes)));
  return {};
}

}  // namespace

Result<V2SegmentHeader> parse_v2_segment_header(ByteView segment_start) {
  using namespace segment_layout;
  ByteCursor in(segment_start);
  TRY_ASSIGN(const auto raw, with_context(in.take<kV2SegmentHeaderSize>(),
                                          [] { return std::string("log segment header"); }));
  if (load(raw, kMagic) != kSegmentMagic)
    return Error::corrupt("no log segment: it does not begin with GRAFWAL");
  // All versions have the checksum here, or damage would pass for a newer one.
  if (load(raw, kChecksum) != segment_header_crc(raw))
    return Error::corrupt("the log segment header's checksum differs");
  TRY(check_segment_features(raw));
  V2SegmentHeader header;
  std::ranges::copy(raw.subspan<kDatabaseId, 16>(), header.database_id.begin());
  header.first_lsn = Lsn(load(raw, kFirstLsn));
  header.created = UnixMillis(load(raw, kCreated));
  return header;
}

std::array<std::byte, kV2SegmentHeaderSize> encode_v2_segment_header(
    const V2SegmentHeader& header) {
  using namespace segment_layout;
  std::array<std::byte, kV2SegmentHeaderSize> raw{};
  const std::span record(raw);
  store(record, kMagic, kSegmentMagic);
  store(record, kVersion, kSegmentVersion);
  store(record, kHeaderBytes, kV2SegmentHeaderSize);
  std::ranges::copy(header.database_id, record.subspan<kDatabaseId, 16>().begin());
  store(record, kFirstLsn, header.first_lsn.get());
  store(record, kCreated, header.created.get());
  store(record, kChecksum, segment_header_crc(raw));
  return raw;
}

std::string v2_segment_name(Lsn first_lsn) {
  return fmt::format("{}{:0{}}{}", kNameStart, first_lsn.get(), kNameDigits, kNameEnd);
}

std::optional<Lsn> parse_v2_segment_name(std::string_view name) {
  if (name.size() != kNameStart.size() + kNameDigits + kNameEnd.size() ||
      !name.starts_with(kNameStart) || !name.ends_with(kNameEnd))
    return std::nullopt;
  const std::string_view digits = name.substr(kNameStart.size(), kNameDigits);
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Lsn(value);
}

Result<Lsn> v2_segment_end(Lsn first_lsn, std::uint64_t segment_bytes) {
  if (segment_bytes < kV2SegmentHeaderSize)
    return Error::corrupt(fmt::format("a log segment of {} bytes", segment_bytes));
  const std::uint64_t frame_bytes = segment_bytes - kV2SegmentHeaderSize;
  if (frame_bytes > std::numeric_limits<std::uint64_t>::max() - first_lsn.get())
    return Error::corrupt(
        fmt::format("a log segment of {} bytes from {} on", segment_bytes, first_lsn.get()));
  return Lsn(first_lsn.get() + frame_bytes);
}

}  // namespace epochfs::engine::grafeo
