// metadata.json: which snapshot the replicator's restore begins with, and which log copies it may
// put on it.
//
// Source    README.md of this directory
// Trust     none: sizes and types are checked, unknown members are passed over
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/bytes.h"
#include "engine/core/units.h"

namespace epochfs::engine::zlayer {

inline constexpr std::string_view kMetadataObject = "metadata.json";
inline constexpr std::uint64_t kMetadataBytesMax = 64 * 1024;

struct Metadata {
  std::optional<std::string> snapshot;  // its whole key, prefix included; nullopt: the last by name
  std::optional<std::uint64_t> wal_sequence;  // copies up to this one are not for that snapshot
  std::uint64_t snapshot_count = 0;           // written, never looked at
  UtcTime modified;                           // likewise
};
// kCorrupt: no JSON object, or a member of another type. What is missing is null.
Result<Metadata> parse_metadata(ByteView json);
std::string encode_metadata(const Metadata& metadata);

}  // namespace epochfs::engine::zlayer
