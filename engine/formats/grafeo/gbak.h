// The frame of an incremental backup file: its header, and in v2 the lengths between its segments.
//
// Source    README.md, section 4
// Trust     none. The header has no checksum of its own, and Grafeo believes the manifest's epochs
//           rather than these
#pragma once

#include <array>
#include <cstdint>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::size_t kGbakHeaderSize = 32;
inline constexpr std::size_t kGbakLengthSize = 8;

struct GbakHeader {
  Generation generation = Generation::kV2;  // v1: frames follow; v2: lengths and segments
  Epoch start_epoch;
  Epoch end_epoch;
  std::uint64_t count = 0;  // v1: files of the log, about; v2: groups that hold records
  friend bool operator==(const GbakHeader&, const GbakHeader&) = default;
};

// The first kGbakHeaderSize bytes of the file or more. kCorrupt: too short, no magic number.
// kUnsupported: written by a newer release.
Result<GbakHeader> parse_gbak_header(ByteView file_start);
std::array<std::byte, kGbakHeaderSize> encode_gbak_header(const GbakHeader& header);

// Where the segment lies whose length field is at `at` of a v2 file of `file_bytes` bytes. The
// first field is at kGbakHeaderSize, each next one where the segment before it ends; there is none
// when that is the end of the file. kCorrupt: field or segment runs past the end of the file, or it
// is too short for a segment's header.
Result<ByteRange> locate_gbak_segment(ByteView length_field, std::uint64_t at,
                                      std::uint64_t file_bytes);

}  // namespace epochfs::engine::grafeo
