#include "engine/repo/looked_at.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/storage/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

TEST(LookAtEachTest, LooksAtManyAtOnceOfARemoteStorageAndKeepsTheirOrder) {
  FaultyStorage storage(make_memory_storage());
  storage.be_remote();
  std::vector<std::string> directories;
  for (int i = 0; i < 100; ++i) directories.push_back(fmt::format("{:03}", i));
  std::atomic<int> here = 0;
  const auto found = look_at_each<std::string>(
      storage, directories, [&](const std::string& name) -> Result<std::optional<std::string>> {
        ++here;
        for (int i = 0; here < 16 && i < 5'000; ++i)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (here < 16) return Error::io("alone");
        return name.back() == '7' ? std::optional(name) : std::nullopt;
      });
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(*found, (std::vector<std::string>{"007", "017", "027", "037", "047", "057", "067",
                                              "077", "087", "097"}));
}

TEST(LookAtEachTest, EndsWithTheFirstFailure) {
  FaultyStorage storage(make_memory_storage());
  storage.be_remote();
  const auto found = look_at_each<int>(storage, {"a", "b"},
                                       [](const std::string& name) -> Result<std::optional<int>> {
                                         if (name == "b") return Error::unreachable("no answer");
                                         return std::optional(1);
                                       });
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kUnreachable);
}

}  // namespace
}  // namespace epochfs::engine
