#include "engine/storage/storage.h"

#include <gtest/gtest.h>

#include "engine/storage/memory_storage.h"

namespace epochfs::engine {
namespace {

TEST(PlainNameTest, AcceptsOrdinaryNamesAndDotFiles) {
  for (const std::string& name :
       {std::string("a"), std::string("full-7.db.zst"), std::string(".app.db"), std::string("..."),
        std::string("with space"), std::string("~-#@:*?"), std::string("\xc3\xa4\xe6\x97\xa5"),
        std::string(255, 'x')})
    EXPECT_TRUE(is_plain_name(name)) << name;
}

TEST(PlainNameTest, RefusesWhatLeadsElsewhereOrHidesSomething) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string("a\x1b[0m"),
        std::string("a\x7f"), std::string(256, 'x')})
    EXPECT_FALSE(is_plain_name(name)) << name;
}

TEST(StorageTest, DescribesObjectsByPlaceAndName) {
  const auto storage = make_memory_storage("/backups/repo");
  EXPECT_EQ(storage->describe("app/manifest.json"), "/backups/repo/app/manifest.json");
  EXPECT_EQ(storage->describe(""), "/backups/repo");
  EXPECT_EQ(make_memory_storage("/")->describe("app"), "/app");
}

TEST(StorageTest, DescribesWithoutControlCharacters) {
  EXPECT_EQ(make_memory_storage("re\npo")->describe("\x1b[2J"), "re\\x0apo/\\x1b[2J");
}

TEST(ObjectNameTest, SplitsDirectoryAndLeaf) {
  EXPECT_EQ(directory_of("a/b/c"), "a/b");
  EXPECT_EQ(leaf_of("a/b/c"), "c");
  EXPECT_EQ(directory_of("c"), "");
  EXPECT_EQ(leaf_of("c"), "c");
}

}  // namespace
}  // namespace epochfs::engine
