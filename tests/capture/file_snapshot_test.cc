// Engine `file`: any file, block by block.
#include <gtest/gtest.h>

#include <filesystem>

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
