// Nothing can be changed through a mount, whoever tries.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "tests/mount/mounted_repository.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

// Tries to change the file, or something in the directory; 0 or -1 and errno, as system calls do.
struct Attempt {
  const char* name;
  std::function<int(const std::string& directory, const std::string& file)> change;
};

int closed(int descriptor) { return descriptor < 0 ? -1 : ::close(descriptor); }

const std::vector<Attempt>& attempts() {
  using Text = const std::string&;
  static const std::vector<Attempt> all = {
      {"open to write", [](Text, Text file) { return closed(::open(file.c_str(), O_RDWR)); }},
      {"open to truncate",
       [](Text, Text file) { return closed(::open(file.c_str(), O_WRONLY | O_TRUNC)); }},
      {"create",
       [](Text directory, Text) {
         return closed(::open((directory + "/new").c_str(), O_WRONLY | O_CREAT, 0644));
       }},
      {"create a journal",
       [](Text, Text file) {
         return closed(::open((file + "-journal").c_str(), O_RDWR | O_CREAT, 0644));
       }},
      {"truncate", [](Text, Text file) { return ::truncate(file.c_str(), 0); }},
      {"unlink", [](Text, Text file) { return ::unlink(file.c_str()); }},
      {"rename",
       [](Text directory, Text file) {
         return std::rename(file.c_str(), (directory + "/renamed").c_str());
       }},
      {"link", [](Text directory,
                  Text file) { return ::link(file.c_str(), (directory + "/new").c_str()); }},
      {"symlink",
       [](Text directory, Text) { return ::symlink("target", (directory + "/new").c_str()); }},
      {"mkdir", [](Text directory, Text) { return ::mkdir((directory + "/new").c_str(), 0755); }},
      {"rmdir",
       [](Text, Text file) { return ::rmdir(std::filesystem::path(file).parent_path().c_str()); }},
      {"mknod", [](Text directory,
                   Text) { return ::mknod((directory + "/new").c_str(), S_IFREG | 0644, 0); }},
      {"chmod", [](Text, Text file) { return ::chmod(file.c_str(), 0644); }},
      {"chmod of the directory",
       [](Text directory, Text) { return ::chmod(directory.c_str(), 0777); }},
      {"chown", [](Text, Text file) { return ::chown(file.c_str(), ::getuid(), ::getgid()); }},
      {"set times",
       [](Text, Text file) { return ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0); }},
      {"set an attribute",
       [](Text, Text file) { return ::setxattr(file.c_str(), "user.note", "x", 1, 0); }},
      {"remove an attribute",
       [](Text, Text file) { return ::removexattr(file.c_str(), "user.epochfs.epoch"); }},
  };
  return all;
}

class ReadOnlyTest : public MountedRepositoryTest {};

TEST_F(ReadOnlyTest, RefusesEveryChangeEverywhere) {
  const SqliteHistory history(database(), 50);
  backup();
  mount();
  const std::string epoch = epochs().front();
  const std::vector<std::string> directories = {mountpoint(),       tree(),
                                                tree() + "/epochs", tree() + "/epochs/" + epoch,
                                                tree() + "/recent", tree() + "/by-time"};
  for (const std::string& directory : directories) {
    for (const Attempt& attempt : attempts()) {
      errno = 0;
      EXPECT_EQ(attempt.change(directory, epoch_file(epoch)), -1) << attempt.name;
      EXPECT_EQ(errno, EROFS) << attempt.name << " in " << directory;
    }
  }
  EXPECT_EQ(read_file(epoch_file(epoch)), history.moments().back().image);
}

TEST_F(ReadOnlyTest, SaysSoInItsMountFlagsModesAndFreeSpace) {
  const SqliteHistory history(database(), 50);
  backup();
  mount();
  struct statvfs filesystem {};
  ASSERT_EQ(::statvfs(mountpoint().c_str(), &filesystem), 0);
  EXPECT_EQ(filesystem.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV),
            static_cast<unsigned long>(ST_RDONLY | ST_NOSUID | ST_NODEV));
  EXPECT_EQ(filesystem.f_bavail, 0U);
  EXPECT_GT(filesystem.f_blocks, 0U);

  struct stat file {};
  ASSERT_EQ(::stat(epoch_file(epochs().front()).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(file.st_uid, ::getuid());
  struct stat directory {};
  ASSERT_EQ(::stat((tree() + "/epochs").c_str(), &directory), 0);
  EXPECT_EQ(directory.st_mode, static_cast<mode_t>(S_IFDIR | 0555));
}

}  // namespace
}  // namespace epochfs::test
