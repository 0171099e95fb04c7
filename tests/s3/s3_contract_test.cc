// S3 held to what every storage must do.
#include "tests/s3/real_s3.h"
#include "tests/storage/storage_contract.h"

namespace epochfs::engine {
namespace {

using test::RealS3;

std::shared_ptr<Storage> empty_storage(const TemporaryDirectory&) {
  if (!RealS3::is_installed()) return nullptr;
  return make_s3_storage(RealS3::settings(RealS3::unused_prefix()));
}

const StorageKind kS3 = {"S3", empty_storage, /*is_object_store=*/true};

INSTANTIATE_TEST_SUITE_P(Kinds, StorageContract, testing::Values(kS3),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace epochfs::engine
