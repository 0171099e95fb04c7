#include "engine/repo/doctor.h"

#include <algorithm>
#include <filesystem>

#include "tests/repo/repository_fixture.h"

namespace epochfs::engine {
namespace {

std::string text_of(const Examination& examination, const std::string& name) {
  const auto found = std::ranges::find(examination.checks, name, &Examination::Check::name);
  return found == examination.checks.end() ? "no such check" : found->text;
}

TEST(DoctorTest, SaysWhatIsAtAPlaceOfZLayers) {
  const TemporaryDirectory place;
  std::filesystem::create_directories(place / "wal");
  std::filesystem::create_directories(place / "snapshots");
  write_file(place / "snapshots/20260110_000512.sqlite.zst", "snapshot");
  for (const char* name : {"1", "2"})
    write_file(place / "wal/" + std::string(name) + ".wal.zst", "copy");
  const auto said = examine(place.path(), true);
  ASSERT_TRUE(said) << said.error().text;
  EXPECT_EQ(text_of(*said, "repository"),
            "none, but ZLayer's backups: 1 snapshot, 2 copies of the log");
  EXPECT_EQ(text_of(*said, "read"), "8 bytes of snapshots/20260110_000512.sqlite.zst");
}

TEST(DoctorTest, ReadsNothingWhereNothingIs) {
  const TemporaryDirectory place;
  const auto said = examine(place.path(), true);
  ASSERT_TRUE(said) << said.error().text;
  EXPECT_EQ(text_of(*said, "repository"), "none yet");
  EXPECT_EQ(text_of(*said, "read"), "no such check");
}

}  // namespace
}  // namespace epochfs::engine
