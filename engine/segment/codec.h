// Blocks and records between stored and plain bytes. Contexts are kept per thread.
//
// Trust     sizes of buffers come from the caller's validated metadata, never from a zstd header
// Threads   any
#pragma once

#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/units.h"

namespace epochfs::engine {

// One zstd frame with content size and checksum. The first `prefix_bytes` of `bytes` are not in it:
// they are the reference, as of `zstd --patch-from`, for the plain bytes behind them. Both in one
// piece, because zstd looks for matches in another way when its input happens to follow the prefix
// in memory: so equal bytes give equal frames.
Result<Bytes> compress_frame(ByteView bytes, std::size_t prefix_bytes, int level);
// Exactly one frame that fills `out` exactly. kCorrupt otherwise.
Result<void> decompress_frame(ByteView frame, ByteView prefix, MutableByteView out);

// A block of a full whose plain size is `plain_bytes`: whole pages, the image's last one padded
// with zeros, the hash of each checked. kCorrupt names the first bad page by its place in the
// block.
Result<Buffer> decode_block(ByteView stored, std::size_t plain_bytes, PageSize page_size,
                            std::span<const std::uint64_t> page_hashes);
// The same to where its pages belong: `out` has room for exactly them.
Result<void> decode_block_into(ByteView stored, std::size_t plain_bytes, PageSize page_size,
                               std::span<const std::uint64_t> page_hashes, MutableByteView out);

struct DecodedRecord {
  std::vector<Epoch> epochs;  // ascending
  Buffer pages;               // one whole page per epoch, in that order; hashes checked
};
// A record as stored. `prefix` is the page's image in the base full (whole page, padded), used when
// the record's header asks for one; empty when the base has no such page. kCorrupt also when it is
// another page's record.
Result<DecodedRecord> decode_record(ByteView stored, PageNo page, PageSize page_size,
                                    ByteView prefix);

// A version in a record, as the tables tell it. The record's own epochs are under no sum: damage to
// them must not make one version pass for another, so where it stands counts as well.
struct VersionPlace {
  Epoch epoch;
  std::uint32_t newer = 0;  // versions behind it
};
// Which of a record's versions that is. kCorrupt: none of them.
Result<std::size_t> version_slot(const std::vector<Epoch>& epochs, VersionPlace version);
// A record for who wants that version only: the page to `out`, where the prefix may be. Its hash,
// checked. kCorrupt also when the record has no such version.
Result<std::uint64_t> decode_version(ByteView stored, PageNo page, PageSize page_size,
                                     ByteView prefix, VersionPlace version, MutableByteView out);
// The header alone tells whether decode_record needs the prefix, and the hashes of the versions:
// native::parse_record_header.

}  // namespace epochfs::engine
