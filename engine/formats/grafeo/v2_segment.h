// The header of a segment of the v2 log, and its place among the others.
//
// Source    README.md, section 6
// Trust     none; a checksum covers all that is used
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::size_t kV2SegmentHeaderSize = 128;

struct V2SegmentHeader {
  DatabaseId database_id{};
  Lsn first_lsn;  // of the frame behind the header
  UnixMillis created;
  friend bool operator==(const V2SegmentHeader&, const V2SegmentHeader&) = default;
};

// The first kV2SegmentHeaderSize bytes or more. kCorrupt: too short, magic number, checksum, an
// older version. kUnsupported: a newer version, encrypted, unknown features.
Result<V2SegmentHeader> parse_v2_segment_header(ByteView segment_start);
std::array<std::byte, kV2SegmentHeaderSize> encode_v2_segment_header(const V2SegmentHeader& header);

// wal_<20 digits>.log: the name under which Grafeo looks for the segment.
std::string v2_segment_name(Lsn first_lsn);
// nullopt: not such a name.
std::optional<Lsn> parse_v2_segment_name(std::string_view name);

// Where the frames of a segment of `segment_bytes` bytes (header included) end. kCorrupt: shorter
// than its header, or beyond what an LSN can say.
Result<Lsn> v2_segment_end(Lsn first_lsn, std::uint64_t segment_bytes);

}  // namespace epochfs::engine::grafeo
