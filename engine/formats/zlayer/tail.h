// What an object of our own has behind its bytes: a claim, which says what it is, and the sizes of
// its zstd frames. Both are skippable frames, so every decoder passes over them.
//
// Source    README.md of this directory; the table of sizes as zstd's seekable format has it
// Trust     none. A claim is covered by a hash of its own against damage, not against forgery
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/hash.h"
#include "engine/core/units.h"
#include "engine/formats/sqlite/wal.h"

namespace epochfs::engine::zlayer {

struct Claim {
  enum class Kind : std::uint8_t { kSnapshot = 1, kCopy = 2 };

  Kind kind = Kind::kSnapshot;
  // Of a copy: no longer one of its generation follows, whoever goes on begins another.
  bool is_closed = false;
  PageSize page_size;
  // The generation that rests on the snapshot, or that the copy is of.
  sqlite::WalSalts salts;
  std::uint32_t sequence = 0;
  StateHash base;                // what that rests on: the snapshot
  StateHash state;               // the newest state in the object
  std::uint32_t pages = 0;       // its size
  std::uint32_t frame = 0;       // the last of the copy; of a snapshot, and without commits: 0
  sqlite::WalChecksum checksum;  // of that frame, or of the log's header
  std::string cursor;            // where the source was left, as JSON; empty: nobody knows
  friend bool operator==(const Claim&, const Claim&) = default;
};

// The header of the generation's log.
sqlite::WalHeader generation_header(const Claim& claim) noexcept;

struct StoredFrame {
  std::uint32_t stored_bytes = 0;
  std::uint32_t plain_bytes = 0;
};

struct Tail {
  Claim claim;
  std::vector<StoredFrame> frames;  // they fill the object up to the tail

  [[nodiscard]] std::uint64_t stored_bytes() const noexcept;  // of the frames
};
Bytes encode_tail(const Claim& claim, std::span<const StoredFrame> frames);

inline constexpr std::size_t kTailEndBytes = 17;
inline constexpr std::uint64_t kTailBytesMax = 256ULL * 1024 * 1024;
// The size of an object's tail, by its last kTailEndBytes bytes; nullopt: it has none.
std::optional<std::uint64_t> tail_bytes(std::span<const std::byte, kTailEndBytes> end) noexcept;
// `bytes`: as many as tail_bytes() says, the last ones of an object of that size. nullopt: a table
// of sizes of somebody else's. kCorrupt: damage, or a newer version.
Result<std::optional<Tail>> parse_tail(ByteView bytes, std::uint64_t object_bytes);

}  // namespace epochfs::engine::zlayer
