#include "engine/repo/zlayer_outbox.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

TEST(ZlayerOutboxTest, KeepsMoreWhenSomebodyHasClearedWhatItKept) {
  const TemporaryDirectory directory;
  auto outbox = ZlayerOutbox::open(directory / "cache", "s3://bucket/place", "/app.db",
                                   ZlayerOutbox::Lock::kTake);
  ASSERT_TRUE(outbox) << outbox.error().text;
  const auto first = outbox->keep({});
  ASSERT_TRUE(first) << first.error().text;
  int removed = 0;
  for (const auto& entry : files::directory_iterator(outbox->directory()))
    if (entry.path().filename().string().front() != '.') removed += files::remove(entry) ? 1 : 0;
  ASSERT_EQ(removed, 1);
  const auto second = outbox->keep({});
  EXPECT_TRUE(second) << second.error().text;
}

}  // namespace
}  // namespace epochfs::engine
