// What the numbers of Grafeo's files mean, each with its own type.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "engine/core/units.h"

namespace epochfs::engine::grafeo {

// The two families of formats. Each file tells by itself to which it belongs: a directory may hold
// both, but a full and the incrementals on top of it are of one.
enum class Generation : std::uint32_t {
  kV1 = 1,  // 0.5.x: bincode manifest, GBAK 1, log without a magic number, containers 1 and 2
  kV2 = 2,  // 0.6.x: JSON manifest, GBAK 2, GRAFWAL segments, container 3
};

// A place in the endless stream of v2 frames; headers of segments do not count.
using Lsn = Strong<struct LsnTag, std::uint64_t>;
using TransactionId = Strong<struct TransactionIdTag, std::uint64_t>;
using UnixMillis = Strong<struct UnixMillisTag, std::uint64_t>;  // since 1970, UTC

// Ties a v2 log to its image; random.
using DatabaseId = std::array<std::byte, 16>;

// A number as what it means: Result<std::uint64_t>::map(as<Epoch>).
template <class T>
constexpr T as(std::uint64_t value) noexcept {
  return T(value);
}

// The last moment that UtcTime can hold, for times beyond it.
constexpr UtcTime to_utc(UnixMillis time) noexcept {
  constexpr std::uint64_t kNanosPerMilli = 1'000'000;
  constexpr auto kNanosMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (time.get() > kNanosMax / kNanosPerMilli)
    return UtcTime(std::numeric_limits<std::int64_t>::max());
  return UtcTime(static_cast<std::int64_t>(time.get() * kNanosPerMilli));
}

// What a file gets that is made at `time`; 1970 for times before it.
constexpr UnixMillis to_unix_millis(UtcTime time) noexcept {
  return UnixMillis(static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.get()) / 1'000'000));
}

}  // namespace epochfs::engine::grafeo
