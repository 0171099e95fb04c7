// What an image (.grafeo) tells of itself in its first three pages: container 1, 2 or 3.
//
// Source    README.md, section 7
// Trust     none. In containers 1 and 2 no checksum covers these pages: only the payload's check
//           shows that they belong to the rest of the file, and only the manifest's CRC proves the
//           epoch. In container 3 checksums cover all that is used
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/formats/grafeo/units.h"

namespace epochfs::engine::grafeo {

inline constexpr std::size_t kImagePageSize = 4096;
inline constexpr std::size_t kImageHeaderSize = 3 * kImagePageSize;

// These bytes of the image must have this CRC. The range may lie beyond the end of the file.
struct PayloadCheck {
  ByteRange range;
  std::uint32_t crc32 = 0;
  friend bool operator==(const PayloadCheck&, const PayloadCheck&) = default;
};

struct ImageHeader {
  std::uint32_t container = 0;  // 1: one snapshot; 2: sections; 3: blocks
  UnixMillis created;           // of the file
  std::string creator_version;  // whatever the bytes say, for people: pass it through printable()

  // Of the newest of the two database headers.
  unsigned active_slot = 0;     // 0 or 1
  std::uint64_t iteration = 0;  // containers 1 and 2: 0 is a database that was never checkpointed
  Epoch epoch;                  // 0 also when the database was made without the feature behind it
  TransactionId last_transaction;
  std::uint64_t node_count = 0;
  std::uint64_t edge_count = 0;
  UnixMillis checkpointed;

  // Container 3 only.
  std::optional<DatabaseId> database_id;
  std::optional<Lsn> checkpoint_lsn;  // replay of the log starts here
  bool has_damaged_slot = false;      // the other database header: it may have been the newer one

  // The snapshot (1), the page of the directory of sections (2) or the root block (3); none when
  // there is no payload.
  std::optional<PayloadCheck> payload;

  [[nodiscard]] Generation generation() const noexcept {
    return container == 3 ? Generation::kV2 : Generation::kV1;
  }
};

// Whether a file that begins like this is an image, of whatever release, sound or not.
inline constexpr std::size_t kImageMagicSize = 8;
bool is_image_start(std::span<const std::byte, kImageMagicSize> file_start) noexcept;

// The first kImageHeaderSize bytes or more. kCorrupt: too short, no magic number, an impossible
// field, no sound database header. kUnsupported: a newer container, encrypted, unknown features.
Result<ImageHeader> parse_image_header(ByteView file_start);

// The checks that the directory page of a container 2 holds, one for each section. `page` is the
// payload of the header, kImagePageSize bytes whose CRC the caller has compared. kCorrupt: more
// sections than a page holds, or one that lies in the headers.
Result<std::vector<PayloadCheck>> parse_section_directory(ByteView page);

}  // namespace epochfs::engine::grafeo
