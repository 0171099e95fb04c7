// The newest epoch of a native database, and everything that going on from it takes.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "engine/repo/native_writer.h"
#include "engine/source/native_source.h"

namespace epochfs::engine {

struct NativeTip {
  std::shared_ptr<NativeSource> source;
  EpochContext at;
};

// Where a history ends.
struct NativeEnd {
  // nullopt: nothing can be built upon. There is no epoch yet, an object of the chain is missing or
  // damaged, or the epoch rests on another full than the newest, which the next segment would name.
  std::optional<NativeTip> tip;
  // When the next epoch was committed at the earliest: readers refuse one that seems older than one
  // before it, be that lost by now.
  UtcTime not_before{std::numeric_limits<std::int64_t>::min()};
};

// Brings the index up to date, and believes it no more than the stored segments: it remembers
// objects that are gone, and what it says of the newest epoch is what all states to come are
// computed from. `look_again`: at damage that was found earlier. kIo: the index, or an object,
// cannot be read.
Result<NativeEnd> find_native_end(const NativeParts& parts, const NativeWriter& writer,
                                  const std::string& database, bool look_again);

}  // namespace epochfs::engine
