#include "engine/formats/grafeo/gbak.h"

#include <fmt/format.h>

#include "engine/formats/grafeo/v2_segment.h"

namespace epochfs::engine::grafeo {
namespace {

namespace gbak_layout {
inline constexpr Field<std::uint32_t, 0> kMagic;
inline constexpr Field<std::uint32_t, kMagic.end> kVersion;
inline constexpr Field<std::uint64_t, kVersion.end> kStartEpoch;
inline constexpr Field<std::uint64_t, kStartEpoch.end> kEndEpoch;
inline constexpr Field<std::uint64_t, kEndEpoch.end> kCount;
static_assert(kCount.end == kGbakHeaderSize);
}  // namespace gbak_layout

constexpr std::uint32_t kGbakMagic = 0x4b414247;  // "GBAK"

}  // namespace

Result<GbakHeader> parse_gbak_header(ByteView file_start) {
  using namespace gbak_layout;
  ByteCursor in(file_start);
  TRY_ASSIGN(const auto raw, with_context(in.take<kGbakHeaderSize>(), [] {
               return std::string("header of an incremental backup");
             }));
  if (load(raw, kMagic) != kGbakMagic)
    return Error::corrupt("no incremental backup: it does not begin with GBAK");
  const std::uint32_t version = load(raw, kVersion);
  if (version > static_cast<std::uint32_t>(Generation::kV2))
    return Error::unsupported(fmt::format(
        "incremental backup version {}: written by a newer release of Grafeo", version));
  if (version == 0) return Error::corrupt("incremental backup version 0");
  return GbakHeader{static_cast<Generation>(version), Epoch(load(raw, kStartEpoch)),
                    Epoch(load(raw, kEndEpoch)), load(raw, kCount)};
}

std::array<std::byte, kGbakHeaderSize> encode_gbak_header(const GbakHeader& header) {
  using namespace gbak_layout;
  std::array<std::byte, kGbakHeaderSize> raw{};
  const std::span record(raw);
  store(record, kMagic, kGbakMagic);
  store(record, kVersion, static_cast<std::uint32_t>(header.generation));
  store(record, kStartEpoch, header.start_epoch.get());
  store(record, kEndEpoch, header.end_epoch.get());
  store(record, kCount, header.count);
  return raw;
}

Result<ByteRange> locate_gbak_segment(ByteView length_field, std::uint64_t at,
                                      std::uint64_t file_bytes) {
  ByteCursor in(length_field);
  TRY_ASSIGN(const auto length, in.take_le<std::uint64_t>());
  if (at > file_bytes || file_bytes - at < kGbakLengthSize)
    return Error::corrupt(
        fmt::format("truncated: a segment's length at byte {} of {}", at, file_bytes));
  const std::uint64_t begin = at + kGbakLengthSize;
  if (length > file_bytes - begin)
    return Error::corrupt(fmt::format("truncated: a segment of {} bytes at byte {} of {}", length,
                                      begin, file_bytes));
  if (length < kV2SegmentHeaderSize)
    return Error::corrupt(
        fmt::format("a segment of {} bytes at byte {} is shorter than its header", length, begin));
  return ByteRange{begin, length};
}

}  // namespace epochfs::engine::grafeo
