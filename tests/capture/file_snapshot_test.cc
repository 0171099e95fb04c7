// Engine `file`: any file, block by block.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "engine/core/handle.h"
#include "tests/capture/replay.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

class FileSnapshot : public ::testing::Test {
 protected:
  FileSnapshot() { replay_.options().engine = engine::native::Engine::kFile; }
  void expect_captured(const std::string& content, std::size_t epochs) {
    write_file(path_, content);
    ASSERT_WORKS(replay_.back_up());
    EXPECT_EQ(replay_.last_epochs, epochs);
    EXPECT_EQ(replay_.newest(), content);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "notes.txt";
  Replay replay_{path_};
};

TEST_F(FileSnapshot, FollowsAFileThatGrowsShrinksAndChanges) {
  std::string content(40000, 'a');
  expect_captured(content, 1);
  content[20000] = 'b';
  expect_captured(content, 1);
  expect_captured(content + std::string(16384, 'c'), 1);
  expect_captured(content.substr(0, 16384), 1);
  expect_captured("", 1);
  expect_captured("x", 1);
}

TEST_F(FileSnapshot, MakesAnEpochOfASizeThatAloneChanged) {
  // The block is padded with zeros, so no page differs.
  expect_captured(std::string("text"), 1);
  expect_captured(std::string("text\0\0", 6), 1);
  expect_captured(std::string("text"), 1);
}

TEST_F(FileSnapshot, MakesNoEpochWhenNothingChanged) {
  const std::string content(40000, 'a');
  expect_captured(content, 1);
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_epochs, 0U);
  EXPECT_EQ(replay_.last_bytes_read, 0U);  // the stamp tells
  expect_captured(content, 0);             // written again, the same
}

TEST_F(FileSnapshot, NoticesAWriteWhileItReads) {
  write_file(path_, "before");
  replay_.meanwhile = [&] { write_file(path_, "during"); };
  EXPECT_FAILS(replay_.back_up(), engine::Code::kBusy);
}

TEST_F(FileSnapshot, NoticesAWriteThatHidesItsTime) {
  write_file(path_, "before");
  const auto time = std::filesystem::last_write_time(path_);
  replay_.meanwhile = [&] {
    write_file(path_, "during");
    std::filesystem::last_write_time(path_, time);
  };
  EXPECT_FAILS(replay_.back_up(), engine::Code::kBusy);
}

// The backup waits until the file has been left alone for a while, and meanwhile it is replaced.
TEST_F(FileSnapshot, IsOfOneFileWhenItIsReplacedWhileItSettles) {
  using namespace std::chrono_literals;
  const std::string one(60000, '1');
  const std::string other(90000, '2');
  for (int round = 0; round < 3; ++round) {
    Replay replay(path_);
    replay.options().engine = engine::native::Engine::kFile;
    write_file(directory_ / "other", other);
    std::this_thread::sleep_for(150ms);
    write_file(path_, one);
    std::thread program([&] {
      std::this_thread::sleep_for(30ms);
      std::filesystem::rename(directory_ / "other", path_);
    });
    const auto done = replay.back_up();
    program.join();
    if (!done) {
      EXPECT_EQ(done.error().code, engine::Code::kBusy) << done.error().text;
      continue;
    }
    EXPECT_TRUE(replay.newest() == one || replay.newest() == other) << "a mixture";
  }
}

// In memory nothing is ever written back, and no stamp tells of a second write to a page.
std::optional<std::string> directory_on_a_disk() {
  for (const char* const place : {"/var/tmp", "."}) {
    struct statfs kind = {};
    if (::statfs(place, &kind) == 0 && kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC &&
        ::access(place, W_OK) == 0)
      return place;
  }
  return std::nullopt;
}

TEST(MappedFileSnapshot, SeesWritesToPagesThatWereDirtyBefore) {
  const auto disk = directory_on_a_disk();
  if (!disk) GTEST_SKIP() << "needs a directory on a disk";
  std::string path = *disk + "/epochfs-test-XXXXXX";
  engine::UniqueFd file(::mkstemp(path.data()));
  ASSERT_TRUE(file);
  constexpr std::size_t kBytes = 64 * 4096;
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  void* const map = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  const auto fill = [&](char value) {
    std::fill_n(static_cast<char*>(map), kBytes, value);
    // Longer than a stamp takes to count.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  };
  Replay replay(path);
  replay.options().engine = engine::native::Engine::kFile;
  for (const char value : {'a', 'b', 'c'}) {
    fill(value);
    const auto done = replay.back_up();
    EXPECT_TRUE(done && replay.newest() == std::string(kBytes, value)) << value;
  }
  ::munmap(map, kBytes);
  std::filesystem::remove(path);
}

TEST_F(FileSnapshot, WantsAFullAfterAnotherEngine) {
  {
    LiveDatabase database(path_);
    database.run("CREATE TABLE t (x)");
  }
  replay_.options().engine.reset();
  ASSERT_WORKS(replay_.back_up());
  replay_.options().engine = engine::native::Engine::kFile;
  ASSERT_WORKS(replay_.back_up());
  EXPECT_EQ(replay_.last_full_reason, "the page size changed from 4096 to 16384");
}

}  // namespace
}  // namespace epochfs::test
