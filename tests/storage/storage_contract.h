// What every storage must do. A program that has a storage of its own names it with
// INSTANTIATE_TEST_SUITE_P and is built with storage_contract_test.cc.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/storage.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {

struct StorageKind {
  const char* name;
  // nullptr: this machine has no such storage, and its tests are skipped.
  std::function<std::shared_ptr<Storage>(const TemporaryDirectory& directory)> make;
  // Has directories, locks and versions of its own, as storage.h says that an object store has not.
  bool is_object_store = false;
};

class StorageContract : public testing::TestWithParam<StorageKind> {
 protected:
  void SetUp() override {
    if (!storage_) GTEST_SKIP() << "SKIPPED: " << GetParam().name << " is not on this machine";
  }
  void put(std::string_view name, std::string_view text) {
    const auto upload = storage_->create(name);
    ASSERT_TRUE(upload) << upload.error().text;
    ASSERT_TRUE((*upload)->append(as_bytes(text)));
    const auto finished = (*upload)->finish();
    ASSERT_TRUE(finished) << finished.error().text;
  }
  std::string text_of(std::string_view name) const {
    const auto content = storage_->get(name, 1 << 20);
    return content ? std::string(as_text(content->bytes)) : "failed: " + content.error().text;
  }
  std::string version_of(std::string_view name) const {
    const auto info = storage_->stat(name);
    return info ? info->version : "failed: " + info.error().text;
  }
  std::vector<std::string> objects_in(std::string_view directory) const {
    std::vector<std::string> names;
    const auto listing = storage_->list(directory);
    // An empty directory is none in an object store.
    const bool is_empty = !listing && GetParam().is_object_store && !directory.empty() &&
                          listing.error().code == Code::kNotFound;
    if (is_empty) return names;
    if (!listing) return {"failed: " + listing.error().text};
    for (const ObjectInfo& object : listing->objects) names.push_back(object.name);
    return names;
  }

  TemporaryDirectory directory_;
  std::shared_ptr<Storage> storage_ = GetParam().make(directory_);
};

}  // namespace epochfs::engine
