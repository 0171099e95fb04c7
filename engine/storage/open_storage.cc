#include "engine/storage/open_storage.h"

#include "engine/storage/local_storage.h"
#include "engine/storage/s3_storage.h"

namespace epochfs::engine {

Result<std::shared_ptr<Storage>> open_storage(const std::string& location) {
  if (!is_s3_location(location)) return open_local_storage(location);
  TRY_ASSIGN(S3Settings settings, resolve_s3_settings(location, process_surroundings()));
  return make_s3_storage(std::move(settings));
}

}  // namespace epochfs::engine
