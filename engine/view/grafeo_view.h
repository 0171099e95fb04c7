// One epoch of a Grafeo database as files: the image under `file_name`, the log in the directory
// `file_name`.wal beside it when the epoch has one, epoch.json.
#pragma once

#include <memory>
#include <string>

#include "engine/source/grafeo_source.h"
#include "engine/view/view.h"

namespace epochfs::engine {

// `timeline` is where parent and successor are looked up.
Result<std::shared_ptr<const View>> open_grafeo_view(std::shared_ptr<const GrafeoSource> source,
                                                     const std::string& file_name,
                                                     const Timeline& timeline, GrafeoEpoch at);

}  // namespace epochfs::engine
