// A test with a directory of its own, the real command and a real mount.
//
//   class MyTest : public MountedRepositoryTest {};
//   TEST_F(MyTest, ...) { backup(); mount(); EXPECT_EQ(read_file(epoch_file(epochs().back())),
//   ...); }
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/mount/repository_place.h"
#include "tests/support/process.h"

namespace epochfs::test {

// The whole of a file; the test fails when it cannot be read.
std::string read_file(const std::string& path);
// Names in a directory, sorted, without "." and ".."; the test fails when it cannot be listed.
std::vector<std::string> list_directory(const std::string& path);
std::string read_link(const std::string& path);
// Words before a statement: the ways in which people open a database with `sqlite3`.
std::vector<std::vector<std::string>> ways_to_open(const std::string& file);
// Words before a command that make it that of the user `nobody`; only root can.
std::vector<std::string> as_nobody();
// `head`, then `tail`.
std::vector<std::string> joined(std::vector<std::string> head,
                                const std::vector<std::string>& tail);

// Looks again and again until `condition` holds; false after half a minute.
bool eventually(const std::function<bool()>& condition);

class MountedRepositoryTest : public testing::Test {
 protected:
  MountedRepositoryTest();
  ~MountedRepositoryTest() override;  // unmounts, and removes the directory

  // All below one directory that anybody may enter.
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  const std::string& database() const { return database_; }  // app.db
  const std::string& repository() const { return place_.location; }
  const std::string& mountpoint() const { return mountpoint_; }  // mnt
  // The same for every command of this test.
  [[nodiscard]] ProcessOptions environment() const;

  ProcessResult epochfs(const std::vector<std::string>& arguments) const;
  // These succeed, or the test fails.
  void backup() const;
  void mount(const std::vector<std::string>& options = {}) const;
  void unmount() const;
  [[nodiscard]] bool is_mounted() const;

  // Names of the epochs in the mount, oldest first.
  [[nodiscard]] std::vector<std::string> epochs() const;
  [[nodiscard]] std::string tree() const { return mountpoint_ + "/app"; }
  [[nodiscard]] std::string epoch_file(const std::string& epoch) const;
  // The file is `image`, byte for byte, and by the size that it tells.
  static void expect_image(const std::string& file, const std::string& image);
  // `command`, the words of one of the ways to open, and these statements give that answer.
  void expect_answer(const std::vector<std::string>& command, const std::string& statements,
                     const std::string& answer) const;

 private:
  std::string directory_;
  std::string database_;
  RepositoryPlace place_;
  std::string mountpoint_;
};

}  // namespace epochfs::test
