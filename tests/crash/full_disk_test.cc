// `epochfs backup` on a disk that is full, at each of many sizes of it: nothing half-written hurts,
// the message says what there is no room for, and with room the next backup needs no human.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "tests/crash/troubled_backup.h"

namespace epochfs::test {
namespace {

// A filesystem in memory, as long as its object.
class SmallDisk {
 public:
  SmallDisk(std::string place, std::size_t bytes) : place_(std::move(place)) {
    std::filesystem::create_directories(place_);
    const std::string size = "mode=700,size=" + std::to_string(bytes);
    is_mounted_ = ::mount("none", place_.c_str(), "tmpfs", 0, size.c_str()) == 0;
    EXPECT_TRUE(is_mounted_) << "this test has to mount a tmpfs: " << std::strerror(errno);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (is_mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }

  void resize(std::size_t bytes) const {
    const std::string size = "size=" + std::to_string(bytes);
    EXPECT_EQ(::mount("none", place_.c_str(), "tmpfs", MS_REMOUNT, size.c_str()), 0)
        << std::strerror(errno);
  }

 private:
  std::string place_;
  bool is_mounted_ = false;
};

class FullDiskTest : public TroubledBackup {
 protected:
  static constexpr std::size_t kStep = 4096;
  static constexpr std::size_t kRoomy = 64 << 20;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a disk so small";
  }

  // A history of which `old_epochs_` are stored and three more are not.
  void begin_history() {
    history_.emplace(database_, 30);
    const SmallDisk disk(disk_, kRoomy);
    ASSERT_EQ(back_up().exit_code, 0);
    old_epochs_ = images_of(*history_);
    save();
    history_->commit(3);
    save_source();
  }

  // Runs a backup on each size of the disk, from nothing left to enough for it to be as it was on a
  // large one: exit code 0, and `is_whole`.
  void fill_at_every_size(const std::function<void(const ProcessResult&)>& check) {
    std::set<int> exit_codes;
    std::size_t in_a_row = 0;  // that went well
    for (std::size_t room = 0; in_a_row < 3; room += kStep) {
      SCOPED_TRACE(testing::Message() << room << " bytes left");
      ASSERT_LT(room, kRoomy / 2);
      const SmallDisk disk(disk_, kRoomy);
      prepare();
      disk.resize(std::max(kStep, used() + room));
      const ProcessResult result = back_up();
      disk.resize(kRoomy);
      exit_codes.insert(result.exit_code);
      in_a_row = result.exit_code == 0 ? in_a_row + 1 : 0;
      check(result);
      expect_good(result, old_epochs_, images_of(*history_));
      if (HasFailure()) return;
    }
    exit_codes_ = exit_codes;
  }

  static void expect_the_reason(const ProcessResult& result) {
    if (result.exit_code == 0) return;
    EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
    EXPECT_EQ(result.exit_code == 1, result.err.find("\n  try: ") != std::string::npos)
        << result.err;
  }

  [[nodiscard]] std::size_t used() const {
    const std::filesystem::space_info space = std::filesystem::space(disk_);
    return space.capacity - space.free;
  }

  const std::string disk_ = directory_ / "disk";
  std::optional<SqliteHistory> history_;
  Images old_epochs_;
  std::set<int> exit_codes_;  // that there were
};

TEST_F(FullDiskTest, LeavesNothingOrAWholeRepositoryWhereTheFirstBackupDoesNotFit) {
  repository_ = disk_ + "/repo";
  history_.emplace(database_, 30);
  save_source();
  fill_at_every_size(expect_the_reason);
  EXPECT_TRUE(exit_codes_.contains(1));
}

TEST_F(FullDiskTest, KeepsTheOldOrTheNewHistoryWhereAnIncrementDoesNotFit) {
  repository_ = disk_ + "/repo";
  begin_history();
  fill_at_every_size(expect_the_reason);
  EXPECT_TRUE(exit_codes_.contains(1));
}

// What there is no room for is not always told by that name: LMDB calls it an I/O error when a part
// of what it writes fits.
TEST_F(FullDiskTest, MerelyWarnsWhereTheIndexDoesNotFit) {
  cache_ = disk_;
  begin_history();
  fill_at_every_size([](const ProcessResult& result) {
    EXPECT_EQ(result.exit_code == 0, result.err.empty()) << result.err;
    EXPECT_EQ(result.exit_code == 3, result.err.starts_with("epochfs: warning: index: "))
        << result.err;
  });
  EXPECT_EQ(exit_codes_, (std::set<int>{0, 3}));
}

TEST_F(FullDiskTest, NeedsNoRoomForTemporaryFilesBesideALiveLog) {
  temporary_ = disk_;
  begin_history();
  fill_at_every_size(
      [](const ProcessResult& result) { EXPECT_EQ(result.exit_code, 0) << result.err; });
}

}  // namespace
}  // namespace epochfs::test
