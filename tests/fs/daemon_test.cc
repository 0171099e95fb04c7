// The life of a mount as a process: started, signalled, killed, taken away.
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <functional>

#include "fs/mount_table.h"
#include "fs/serve.h"
#include "tests/fs/live_mount.h"

namespace epochfs::testing {
namespace {

using engine::Code;
namespace files = std::filesystem;

constexpr int kPatienceMs = 20'000;  // longer than anything here takes; ends a test that hangs

// A background mount of a repository with one database of three epochs.
class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() {
    files::create_directory(mountpoint_);
    files::create_directory(temp_.path() / "cache");
    repository_->cache_directory_text = (temp_.path() / "cache").string();
    options_.source = "/the/repository";
    options_.mountpoint = mountpoint_;
  }
  ~DaemonTest() override {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    static_cast<void>(fs::unmount(mountpoint_, true));
  }

  engine::Result<void> serve() {
    return fs::serve_repository(options_, database_, [this] {
      std::ofstream(repository_->cache_directory_text + "/pid") << ::getpid();
      return repository_;
    });
  }
  void start() {
    const auto started = serve();
    ASSERT_TRUE(started) << started.error().text;
    pid_ = pid_of_server();
    watch_server();
  }
  pid_t pid_of_server() const {
    pid_t pid = 0;
    std::ifstream(repository_->cache_directory_text + "/pid") >> pid;
    return pid;
  }
  void watch_server() {
    ASSERT_GT(pid_, 1);
    daemon_ = engine::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    ASSERT_TRUE(daemon_);
  }
  bool daemon_ends(int within_ms = kPatienceMs) {
    pollfd wanted{daemon_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, within_ms) <= 0) return false;
    pid_ = 0;
    return true;
  }
  bool is_mounted() const { return fs::mounted_at(mountpoint_).value().has_value(); }
  // The detaching is the daemon's to do.
  bool becomes_unmounted(int within_ms = kPatienceMs) const {
    for (int waited = 0; waited < within_ms; waited += 10) {
      if (!is_mounted()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  std::string log() const {
    std::ifstream file(repository_->cache_directory_text + "/mount.log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const TempDirectory temp_;
  const std::string mountpoint_ = (files::canonical(temp_.path()) / "mount point").string();
  const std::shared_ptr<FakeRepository> repository_ = std::make_shared<FakeRepository>();
  const std::shared_ptr<FakeDatabase> app_ =
      repository_->add("app", fake_history(3, utc("2026-11-20"), kNanosPerSecond));
  fs::MountOptions options_;
  std::string database_ = "app";
  pid_t pid_ = 0;
  engine::UniqueFd daemon_;
};

TEST_F(DaemonTest, AnswersWhenTheCallReturns) {
  start();
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
  EXPECT_TRUE(fs::unmount(mountpoint_, false));
  EXPECT_TRUE(daemon_ends());
  EXPECT_FALSE(is_mounted());
  EXPECT_TRUE(files::is_empty(mountpoint_));
}

TEST_F(DaemonTest, LeavesTheCallersSessionDirectoryAndDescriptors) {
  start();
  EXPECT_NE(::getsid(pid_), ::getsid(0));
  const std::string process = "/proc/" + std::to_string(pid_);
  EXPECT_EQ(files::read_symlink(process + "/cwd"), "/");
  for (const char* standard : {"/fd/0", "/fd/1"})
    EXPECT_EQ(files::read_symlink(process + standard), "/dev/null");
  EXPECT_EQ(files::read_symlink(process + "/fd/2").filename(), "mount.log");
  EXPECT_NE(::waitpid(pid_, nullptr, WNOHANG), pid_) << "it is the caller's child";
}

TEST_F(DaemonTest, KeepsNoPipeOfTheCallersOpen) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), 0), 0);
  const engine::UniqueFd reader(ends[0]);
  engine::UniqueFd writer(ends[1]);
  start();
  writer.reset();
  pollfd ended{reader.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 1000), 1);
}

TEST_F(DaemonTest, MakesNoChildOfItsCaller) {
  start();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(DaemonTest, WritesItsLogIntoTheCacheDirectory) {
  start();
  EXPECT_NE(log().find("serving /the/repository on " + mountpoint_), std::string::npos) << log();
}

TEST_F(DaemonTest, WritesItsLogWhereItIsTold) {
  options_.log_file = (temp_.path() / "named.log").string();
  start();
  EXPECT_TRUE(files::exists(options_.log_file));
  EXPECT_EQ(log(), "");
}

TEST_F(DaemonTest, FailsToStartWithoutItsLog) {
  std::ofstream(temp_.path() / "file") << "x";
  options_.log_file = (temp_.path() / "file/named.log").string();
  const auto started = serve();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kIo);
  EXPECT_TRUE(becomes_unmounted());
}

TEST_F(DaemonTest, DoesNotLogIntoItself) {
  options_.log_file = mountpoint_ + "/named.log";
  const auto started = serve();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kInvalid);
  EXPECT_NE(started.error().text.find("log file"), std::string::npos) << started.error().text;
}

TEST_F(DaemonTest, ReportsWhyTheRepositoryCannotBeOpened) {
  const auto started = fs::serve_repository(
      options_, "", []() -> engine::Result<std::shared_ptr<engine::Repository>> {
        return engine::Error::unsupported("format 99 of /the/repository");
      });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kUnsupported);
  EXPECT_EQ(started.error().text, "format 99 of /the/repository");
  EXPECT_FALSE(is_mounted());
}

TEST_F(DaemonTest, ReportsThatItDiedBeforeItWasReady) {
  const auto started = fs::serve_repository(
      options_, "", []() -> engine::Result<std::shared_ptr<engine::Repository>> { ::_exit(7); });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kMount);
}

TEST_F(DaemonTest, ReportsADatabaseThatIsNotThere) {
  const auto started = fs::serve_repository(options_, "missing", [this] { return repository_; });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kNotFound);
}

TEST_F(DaemonTest, RefusesToHideOrShowItself) {
  repository_->location_text = (temp_.path() / "mount point/repository").string();
  files::create_directory(repository_->location_text);
  const auto above = serve();
  ASSERT_FALSE(above);
  EXPECT_EQ(above.error().code, Code::kInvalid);
  repository_->location_text = "/nonexistent/repository";
  repository_->cache_directory_text = temp_.path().string();
  const auto inside = serve();
  ASSERT_FALSE(inside);
  EXPECT_EQ(inside.error().code, Code::kInvalid);
  EXPECT_FALSE(is_mounted());
}

TEST_F(DaemonTest, RefusesAMountPointThatIsInUseByAnother) {
  start();
  const auto again = serve();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kMount);
  EXPECT_NE(again.error().text.find("already"), std::string::npos) << again.error().text;
}

class StopSignalTest : public DaemonTest, public ::testing::WithParamInterface<int> {};

TEST_P(StopSignalTest, TakesTheMountAway) {
  start();
  ::kill(pid_, GetParam());
  EXPECT_TRUE(daemon_ends());
  EXPECT_FALSE(is_mounted());
}
INSTANTIATE_TEST_SUITE_P(Signals, StopSignalTest, ::testing::Values(SIGINT, SIGTERM));

TEST_F(DaemonTest, IgnoresTheEndOfATerminal) {
  start();
  ::kill(pid_, SIGHUP);
  EXPECT_FALSE(daemon_ends(200));
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
}

TEST_F(DaemonTest, HearsASignalWhileItsStorageIsStuck) {
  database_ = "";
  repository_->is_stuck = true;
  start();
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(becomes_unmounted(1000));
  EXPECT_TRUE(daemon_ends());
}

TEST_F(DaemonTest, IsNotInUseByItself) {
  database_ = "";
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(serve());
    const auto unmounted = fs::unmount(mountpoint_, false);
    ASSERT_TRUE(unmounted) << unmounted.error().text;
  }
}

TEST_F(DaemonTest, ServesOpenFilesToTheEndAfterASignal) {
  start();
  engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(becomes_unmounted());
  EXPECT_FALSE(daemon_ends(200));
  EXPECT_EQ(pread_some(file.get(), 100'000, 150'000), fake_bytes(3, 150'000, 100'000));
  file.reset();
  EXPECT_TRUE(daemon_ends());
}

TEST_F(DaemonTest, EndsAtOnceWithASecondSignal) {
  start();
  const engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(becomes_unmounted());
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(daemon_ends());
  EXPECT_FALSE(pread_some(file.get(), 4096, 200'000));
}

TEST_F(DaemonTest, IsNotHeldUpByAWorkingDirectoryInTheMount) {
  start();
  const engine::UniqueFd directory(
      ::open((mountpoint_ + "/epochs").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(directory);
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(daemon_ends());
  EXPECT_FALSE(is_mounted());
}

TEST_F(DaemonTest, DoesNotTakeAwayAMountThatCameAfterIt) {
  start();
  const engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  ::kill(pid_, SIGTERM);
  ASSERT_TRUE(becomes_unmounted());
  const engine::UniqueFd first = std::move(daemon_);
  const pid_t first_pid = pid_;
  start();
  ::kill(first_pid, SIGTERM);
  pollfd wanted{first.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wanted, 1, kPatienceMs), 1);
  EXPECT_TRUE(is_mounted());
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
}

TEST_F(DaemonTest, DoesNotTakeAwayAMountThatCameAfterALazyUnmount) {
  start();
  const engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  ASSERT_TRUE(fs::unmount(mountpoint_, true));
  const engine::UniqueFd first = std::move(daemon_);
  const pid_t first_pid = pid_;
  start();
  ::kill(first_pid, SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ::kill(first_pid, SIGTERM);
  pollfd wanted{first.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wanted, 1, kPatienceMs), 1);
  EXPECT_TRUE(is_mounted());
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
}

TEST_F(DaemonTest, DoesNotTakeAwayWhatIsMountedOnTopOfIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting something else takes root";
  start();
  ASSERT_EQ(::mount("on-top", mountpoint_.c_str(), "tmpfs", 0, nullptr), 0)
      << std::generic_category().message(errno);
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(daemon_ends());
  const auto place = fs::mounted_at(mountpoint_).value();
  ::umount2(mountpoint_.c_str(), MNT_DETACH);
  ASSERT_TRUE(place);
  EXPECT_EQ(place->source, "on-top");
  EXPECT_NE(log().find("on-top is mounted on top of it"), std::string::npos) << log();
}

TEST_F(DaemonTest, LeavesAPlaceThatUnmountCleansWhenKilled) {
  start();
  ::kill(pid_, SIGKILL);
  ASSERT_TRUE(daemon_ends());
  EXPECT_TRUE(is_mounted());
  const auto unmounted = fs::unmount(mountpoint_ + "/", false);
  EXPECT_TRUE(unmounted) << unmounted.error().text;
  EXPECT_FALSE(is_mounted());
  start();
}

TEST_F(DaemonTest, KeepsItsPlaceWhileItsStorageIsStuck) {
  database_ = "";
  repository_->is_stuck = true;
  start();
  const auto begin = std::chrono::steady_clock::now();
  const auto again = serve();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("already"), std::string::npos) << again.error().text;
  EXPECT_EQ(again.error().text.find("does not answer"), std::string::npos) << again.error().text;
}

TEST_F(DaemonTest, KeepsItsPlaceFromRootWhenItIsAnotherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming somebody else takes root";
  constexpr uid_t kNobody = 65534;
  for (const std::string& place : {mountpoint_, repository_->cache_directory_text})
    ASSERT_EQ(::chown(place.c_str(), kNobody, kNobody), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(99);
    ::_exit(serve() ? 0 : 98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) GTEST_SKIP() << "an ordinary user cannot mount here: " << status;
  pid_ = pid_of_server();
  watch_server();
  const auto again = serve();
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("already"), std::string::npos) << again.error().text;
  ::kill(pid_, SIGKILL);
  ASSERT_TRUE(daemon_ends());
  start();
}

TEST_F(DaemonTest, IsMountedByOneOfTwoThatStartAtOnce) {
  for (int round = 0; round < 10; ++round) {
    std::array<pid_t, 2> both{};
    const auto begin = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    for (pid_t& child : both) {
      child = ::fork();
      if (child != 0) continue;
      std::this_thread::sleep_until(begin);
      ::_exit(serve() ? 0 : 1);
    }
    int successes = 0;
    for (const pid_t child : both) {
      int status = 0;
      ::waitpid(child, &status, 0);
      successes += WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : 0;
    }
    EXPECT_EQ(successes, 1);
    EXPECT_TRUE(fs::unmount(mountpoint_, true));
    EXPECT_FALSE(is_mounted());
    while (is_mounted()) static_cast<void>(fs::unmount(mountpoint_, true));
  }
}

// What leads to a mount point whose server does not answer, in every spelling.
class SpellingTest : public DaemonTest, public ::testing::WithParamInterface<const char*> {
 protected:
  SpellingTest() {
    files::create_directory_symlink("mount point", temp_.path() / "link");
    options_.mountpoint = (temp_.path() / GetParam()).string();
  }
  // Starts a server, sends it `signal`, and waits until the kernel has forgotten what it knew.
  void start_and(int signal) {
    start();
    ::kill(pid_, signal);
    if (signal == SIGKILL) {
      ASSERT_TRUE(daemon_ends());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
};

TEST_P(SpellingTest, KeepsItsPlaceWhileItIsStopped) {
  start_and(SIGSTOP);
  const auto again = serve();
  ::kill(pid_, SIGCONT);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kMount);
  EXPECT_NE(again.error().text.find("does not answer"), std::string::npos) << again.error().text;
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
}

TEST_P(SpellingTest, IsUnmountedEvenWhenDead) {
  start_and(SIGKILL);
  EXPECT_TRUE(is_mounted());
  const auto unmounted = fs::unmount(options_.mountpoint, false);
  EXPECT_TRUE(unmounted) << unmounted.error().text;
  EXPECT_FALSE(is_mounted());
}

TEST_P(SpellingTest, LeavesAPlaceThatTheNextMountCleansWhenKilled) {
  start_and(SIGKILL);
  EXPECT_TRUE(is_mounted());
  start();
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
  EXPECT_TRUE(fs::unmount(mountpoint_, false));
  EXPECT_FALSE(is_mounted());
}
INSTANTIATE_TEST_SUITE_P(Spellings, SpellingTest,
                         ::testing::Values("mount point", "mount point/", "mount point/.",
                                           "mount point/.//./", "link", "link/", "link/."));

TEST_F(DaemonTest, IsBusyWhileSomethingIsMountedInIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting something else takes root";
  start();
  const std::string inside = mountpoint_ + "/epochs";
  ASSERT_EQ(::mount("inside", inside.c_str(), "tmpfs", 0, nullptr), 0)
      << std::generic_category().message(errno);
  const auto refused = fs::unmount(mountpoint_, false);
  ::umount2(inside.c_str(), MNT_DETACH);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_NE(refused.error().text.find(inside + " is mounted in it"), std::string::npos)
      << refused.error().text;
}

TEST_F(DaemonTest, IsBusyWhileAFileIsOpen) {
  start();
  engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  const auto refused = fs::unmount(mountpoint_, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_TRUE(is_mounted());
  EXPECT_TRUE(fs::unmount(mountpoint_, true));
  EXPECT_FALSE(is_mounted());
  EXPECT_EQ(pread_some(file.get(), 4096, 200'000), fake_bytes(3, 200'000, 4096));
  file.reset();
  EXPECT_TRUE(daemon_ends());
}

TEST_F(DaemonTest, StopsInTheForegroundWithASignal) {
  options_.foreground = true;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(serve() ? 0 : 1);
  for (int waited = 0; waited < kPatienceMs && !is_mounted(); waited += 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
  ::kill(child, SIGHUP);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(is_mounted());
}

TEST_F(DaemonTest, IsNotLeftBehindByACallerThatIsKilled) {
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(fs::serve_repository(options_, database_, [this] {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      return repository_;
    }));
    ::_exit(0);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(is_mounted());
  for (int waited = 0; waited < 5000 && log().find("gone") == std::string::npos; waited += 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_NE(log().find("whoever asked for the mount is gone"), std::string::npos) << log();
  EXPECT_TRUE(becomes_unmounted(1000));
}

TEST_F(DaemonTest, ServesOnWhenNobodyReadsWhatItSays) {
  options_.foreground = true;
  app_->damage->set_bad_pages({1});
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(::signal(SIGPIPE, SIG_DFL));
    ::dup2(ends[1], STDERR_FILENO);
    for (const int end : ends) ::close(end);
    ::_exit(serve() ? 0 : 1);
  }
  for (const int end : ends) ::close(end);
  for (int waited = 0; waited < kPatienceMs && !is_mounted(); waited += 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const engine::UniqueFd file = open_to_read(mountpoint_ + "/latest/app.db");
  EXPECT_FALSE(pread_some(file.get(), 100, 5000));
  EXPECT_EQ(pread_some(file.get(), 100, 200'000), fake_bytes(3, 200'000, 100));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(DaemonTest, EndsBySignalWhileItOpensTheRepository) {
  options_.foreground = true;
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(fs::serve_repository(options_, database_, [this] {
      std::this_thread::sleep_for(std::chrono::seconds(10));
      return repository_;
    }));
    ::_exit(0);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto begin = std::chrono::steady_clock::now();
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_FALSE(is_mounted());
}

class IgnoredSignalTest : public DaemonTest, public ::testing::WithParamInterface<int> {};

TEST_P(IgnoredSignalTest, StaysIgnoredInTheForeground) {
  options_.foreground = true;
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(::signal(GetParam(), SIG_IGN));
    ::_exit(serve() ? 0 : 1);
  }
  for (int waited = 0; waited < kPatienceMs && !is_mounted(); waited += 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(read_whole(mountpoint_ + "/latest/app.db"), fake_bytes(3, 0, 300'000));
  ::kill(child, GetParam());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
  EXPECT_TRUE(is_mounted());
  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
}
INSTANTIATE_TEST_SUITE_P(Signals, IgnoredSignalTest, ::testing::Values(SIGHUP, SIGINT));

TEST(UnmountTest, FindsNothingWhereNothingOfOursIsMounted) {
  const TempDirectory temp;
  for (const std::string& place : {temp.path().string(), std::string("/"), std::string("/proc"),
                                   (temp.path() / "missing").string()}) {
    const auto result = fs::unmount(place, false);
    ASSERT_FALSE(result) << place;
    EXPECT_EQ(result.error().code, Code::kNotFound) << result.error().text;
  }
}

}  // namespace
}  // namespace epochfs::testing
