// One epoch of a database of ZLayer's: as files, and as an image.
#pragma once

#include <memory>
#include <string>

#include "engine/source/zlayer_source.h"
#include "engine/view/view.h"

namespace epochfs::engine {

// `timeline` is where parent and successor are looked up.
Result<std::shared_ptr<const View>> open_zlayer_view(std::shared_ptr<const ZlayerSource> source,
                                                     const std::string& file_name,
                                                     const Timeline& timeline,
                                                     const ZlayerContext& at);

std::shared_ptr<const EpochImage> open_zlayer_image(std::shared_ptr<const ZlayerSource> source,
                                                    ZlayerContext at);

}  // namespace epochfs::engine
