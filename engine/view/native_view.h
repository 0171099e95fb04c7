// One epoch of a native database: as files (the database, SQLite's empty side files, epoch.json),
// and as an image.
#pragma once

#include <memory>

#include "engine/cache/read_ahead.h"
#include "engine/source/native_source.h"
#include "engine/view/view.h"

namespace epochfs::engine {

// What all views of a database share. Outlives none of them: they hold it.
struct NativeViewParts {
  std::shared_ptr<const NativeSource> source;
  std::shared_ptr<ReadAhead> read_ahead;
  native::Engine engine = native::Engine::kSqlite;
  std::string file_name;
};

// `timeline` is where parent and successor are looked up, and until when the newest epoch is
// covered.
Result<std::shared_ptr<const View>> open_native_view(const NativeViewParts& parts,
                                                     const Timeline& timeline,
                                                     const EpochContext& at);

std::shared_ptr<const EpochImage> open_native_image(std::shared_ptr<const NativeSource> source,
                                                    EpochContext at);

}  // namespace epochfs::engine
