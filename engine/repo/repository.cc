#include "engine/repo/repository.h"

#include <fmt/format.h>

#include <filesystem>

#include "engine/core/text.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/native_database.h"
#include "engine/repo/zlayer_database.h"
#include "engine/storage/s3_settings.h"

namespace epochfs::engine {

void choose_endpoint_url(std::string url, std::string source) {
  choose_endpoint({std::move(url), std::move(source)});
}

Result<std::shared_ptr<Repository>> Repository::open(const RepositoryOptions& options) {
  auto native = NativeRepository::open(options);
  if (native || native.error().code != Code::kNoRepository) return native;
  auto grafeo = GrafeoRepository::open(options);
  if (grafeo || grafeo.error().code != Code::kNoRepository) return grafeo;
  auto zlayer = ZlayerRepository::open(options);
  if (zlayer || zlayer.error().code != Code::kNoRepository) return zlayer;
  std::error_code failure;
  if (options.location.find("://") == std::string::npos) {
    const auto kind = std::filesystem::status(options.location, failure).type();
    if (kind == std::filesystem::file_type::not_found)
      return Error::no_repository(printable(options.location) + ": no such directory");
    if (kind == std::filesystem::file_type::regular)
      return Error::no_repository(printable(options.location) + " is a file, and no repository");
  }
  native.error().text +=
      fmt::format(", no {}, and no snapshots/ or wal/ of ZLayer's", grafeo::kManifestFile);
  return native;
}

}  // namespace epochfs::engine
