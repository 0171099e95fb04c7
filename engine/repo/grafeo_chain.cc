#include "engine/repo/grafeo_chain.h"

#include <utility>

namespace epochfs::engine {

Result<std::unique_ptr<GrafeoChain>> GrafeoChain::open(const GrafeoImage& image,
                                                       const std::string& log_directory) {
  TRY_ASSIGN(GrafeoLogFiles log, open_grafeo_log(log_directory));
  const grafeo::Generation generation = image.header().generation();
  if (log.generation && *log.generation != generation)
    return Error::corrupt(log_directory +
                          ": of another generation than the image; let Grafeo open the database");
  return generation == grafeo::Generation::kV2 ? open_v2_chain(image, std::move(log))
                                               : open_v1_chain(image, std::move(log));
}

}  // namespace epochfs::engine
