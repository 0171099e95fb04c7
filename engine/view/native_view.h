// One epoch of a native database: as files (see paged_view.h),
// and as an image.
#pragma once

#include <memory>

#include "engine/cache/block_cache.h"
#include "engine/cache/read_ahead.h"
#include "engine/source/native_source.h"
#include "engine/view/view.h"

namespace epochfs::engine {

// How far a reader who reads all of a file is preceded, in pieces of which each is one task.
struct AheadPlan {
  std::uint64_t bytes_ahead = 4 * 1024 * 1024;
  std::uint64_t piece_bytes = 256 * 1024;        // a multiple of every block's size
  std::uint64_t image_piece_bytes = 512 * 1024;  // for programs that want all of an epoch
  unsigned readers = 0;                          // threads; 0: one per core, and two at least
};
// A store is far away: what is under way must make up for the time that each request takes.
// 16 requests of about 1 MiB are 16 MiB for every 20 ms, which fills 6 Gbit/s.
inline constexpr AheadPlan kRemoteAhead{32 * 1024 * 1024, 1024 * 1024, 2 * 1024 * 1024, 16};

// What all views of a database share. Outlives none of them: they hold it.
struct NativeViewParts {
  std::shared_ptr<const NativeSource> source;
  std::shared_ptr<BlockCache> cache;
  std::shared_ptr<ReadAhead> read_ahead;
  AheadPlan ahead;
  native::Engine engine = native::Engine::kSqlite;
  std::string file_name;
};

// `timeline` is where parent and successor are looked up, and until when the newest epoch is
// covered.
Result<std::shared_ptr<const View>> open_native_view(const NativeViewParts& parts,
                                                     const Timeline& timeline,
                                                     const EpochContext& at);

std::shared_ptr<const EpochImage> open_native_image(std::shared_ptr<const NativeSource> source,
                                                    EpochContext at, const AheadPlan& plan);

}  // namespace epochfs::engine
