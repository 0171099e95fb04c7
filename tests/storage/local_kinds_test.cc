// The storages that need nothing but this machine, held to the contract.
#include "engine/storage/local_storage.h"
#include "engine/storage/memory_storage.h"
#include "tests/storage/storage_contract.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

const StorageKind kKinds[] = {
    {"Local", [](const auto& directory) { return open_local_storage(directory / "repository"); }},
    {"Memory", [](const auto&) { return make_memory_storage(); }},
    {"FaultyWithoutFault",
     [](const auto&) { return std::make_shared<FaultyStorage>(make_memory_storage()); }},
};

INSTANTIATE_TEST_SUITE_P(Kinds, StorageContract, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace epochfs::engine
