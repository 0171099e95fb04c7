// A mount's life: what it learns while it runs, how it ends, and what it needs to start.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "tests/mount/mounted_repository.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class RunningMountTest : public MountedRepositoryTest {
 protected:
  // A mount in the foreground whose process the test holds.
  [[nodiscard]] std::unique_ptr<Process> serve() const {
    const std::vector<std::string> command = {EPOCHFS_COMMAND, "mount", "--foreground",
                                              repository(), mountpoint()};
    auto process = std::make_unique<Process>(command, environment());
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(tree() + "/latest"); }));
    return process;
  }

  [[nodiscard]] std::string latest() const {
    return std::filesystem::path(read_link(tree() + "/latest")).filename();
  }
};

TEST_F(RunningMountTest, HasNoDatabaseWhoseNameBeginsWithADot) {
  const SqliteHistory history(database(), 10);
  backup();
  mount({"-o", "log=" + path("log")});
  for (const char* name : {"/.git", "/.hidden", "/..."}) {
    struct stat status {};
    EXPECT_EQ(::stat((mountpoint() + name).c_str(), &status), -1);
    EXPECT_EQ(errno, ENOENT) << name;
  }
  EXPECT_EQ(read_file(path("log")).find("error"), std::string::npos) << read_file(path("log"));
}

TEST_F(RunningMountTest, ReadsEverythingOnceWithASmallCache) {
  constexpr std::size_t kBytes = 24 * 1024 * 1024;
  std::string content(kBytes, '\0');
  std::mt19937_64 random(20261130);
  for (char& byte : content) byte = static_cast<char>(random());
  write_file(database(), content);
  backup();
  mount({"-o", "cache=4M"});
  expect_image(epoch_file(epochs().front()), content);
  const auto status = nlohmann::json::parse(read_file(tree() + "/.epochfs/status.json"));
  EXPECT_LT(status.at("cache").at("bytes_read").get<std::uint64_t>(), kBytes * 13 / 10) << status;
}

TEST_F(RunningMountTest, ShowsANewBackupWithoutBeingAsked) {
  SqliteHistory history(database(), 50);
  backup();
  mount();
  for (int round = 0; round < 3; ++round) {
    const std::string before = latest();
    history.commit();
    backup();
    EXPECT_TRUE(eventually([&] { return latest() != before; }));
    EXPECT_EQ(read_file(tree() + "/latest/app.db"), history.moments().back().image);
  }
  EXPECT_EQ(epochs().size(), history.moments().size());
}

TEST_F(RunningMountTest, NeverLetsLatestAndTheListingsDisagree) {
  SqliteHistory history(database(), 50);
  backup();
  mount();
  history.commit(3);
  const std::string before = latest();
  Process writer({EPOCHFS_COMMAND, "backup", database(), repository()}, environment());
  EXPECT_TRUE(eventually([&] {
    const std::string newest = latest();  // what is listed afterwards is at least as new
    EXPECT_TRUE(contains(epochs(), newest));
    const std::vector<std::string> recent = list_directory(tree() + "/recent");
    EXPECT_TRUE(std::any_of(recent.begin(), recent.end(), [&](const std::string& name) {
      return name.starts_with(newest + "_");
    }));
    return newest != before;
  }));
  EXPECT_EQ(writer.wait().exit_code, 0);
  EXPECT_EQ(epochs().back(), latest());
}

TEST_F(RunningMountTest, ShowsADatabaseThatIsBackedUpForTheFirstTime) {
  const SqliteHistory history(database(), 10);
  backup();
  mount();
  ASSERT_EQ(epochfs({"backup", "--name", "second", database(), repository()}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return contains(list_directory(mountpoint()), "second"); }));
  EXPECT_TRUE(std::filesystem::exists(mountpoint() + "/second/latest/app.db"));
}

// Somebody puts an older copy of the repository back, and the history goes on from there: the same
// epoch is another one now, while the kernel still holds pages of the one before.
TEST_F(RunningMountTest, NeverMixesAnEpochWithOneOfAReplacedHistory) {
  namespace files = std::filesystem;
  for (const std::string& shown : {repository(), repository() + "#app"}) {
    SCOPED_TRACE(shown);
    files::remove_all(repository());
    files::remove_all(path("older"));
    for (const char* suffix : {"", "-wal", "-shm"}) files::remove(database() + suffix);
    SqliteHistory history(database(), 300);
    backup();
    files::copy(repository(), path("older"), files::copy_options::recursive);
    const std::size_t kept = history.moments().size();
    history.commit();
    backup();
    ASSERT_EQ(epochfs({"mount", shown, mountpoint()}).exit_code, 0);
    const std::string name = fmt::format("{:010}", kept + 1);
    const std::string file =
        (shown == repository() ? tree() : mountpoint()) + "/epochs/" + name + "/app.db";
    const std::string replaced = read_file(file);
    ASSERT_EQ(replaced, history.moments().back().image);

    files::remove_all(repository() + "/app");
    files::copy(path("older") + "/app", repository() + "/app", files::copy_options::recursive);
    // What was backed up before cannot be found in the log again.
    ASSERT_EQ(run({"sqlite3", database(), "PRAGMA wal_checkpoint(TRUNCATE)"}).exit_code, 0);
    history.commit();
    backup();
    const std::string& wanted = history.moments().back().image;
    ASSERT_NE(replaced, wanted);
    EXPECT_TRUE(eventually([&] {
      std::ifstream in(file, std::ios::binary);  // may be out of sight for a moment
      const std::string now{std::istreambuf_iterator<char>(in), {}};
      EXPECT_TRUE(now.empty() || now == replaced || now == wanted);
      return now == wanted;
    }));
    unmount();
  }
}

TEST_F(RunningMountTest, UnmountsWhenToldToStop) {
  const SqliteHistory history(database(), 10);
  backup();
  for (const int signal : {SIGTERM, SIGINT}) {
    SCOPED_TRACE(signal);
    const auto process = serve();
    process->signal(signal);
    const ProcessResult result = process->wait();
    EXPECT_FALSE(result.timed_out) << result.err;
    EXPECT_FALSE(is_mounted());
  }
}

TEST_F(RunningMountTest, IsCleanedUpAfterItWasKilled) {
  const SqliteHistory history(database(), 10);
  backup();
  const auto process = serve();
  process->signal(SIGKILL);
  EXPECT_EQ(process->wait().exit_code, 128 + SIGKILL);
  struct stat status {};
  EXPECT_NE(::stat((tree() + "/latest/app.db").c_str(), &status), 0);
  unmount();
  EXPECT_FALSE(is_mounted());
  mount();
  EXPECT_EQ(read_file(tree() + "/latest/app.db"), history.moments().back().image);
}

TEST_F(RunningMountTest, ServesFromAReadOnlyMedium) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a read-only medium";
  SqliteHistory history(database(), 50);
  backup();
  history.commit(2);
  backup();
  const std::string repository_path = repository();
  ASSERT_EQ(::mount(repository_path.c_str(), repository_path.c_str(), nullptr, MS_BIND, nullptr),
            0);
  ASSERT_EQ(
      ::mount(nullptr, repository_path.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
      0);
  EXPECT_NE(::access(repository_path.c_str(), W_OK), 0);
  mount();
  const std::vector<std::string> names = epochs();
  EXPECT_EQ(names.size(), history.moments().size());
  for (std::size_t i = 0; i < std::min(names.size(), history.moments().size()); ++i)
    EXPECT_EQ(read_file(epoch_file(names[i])), history.moments()[i].image);
  unmount();
  EXPECT_EQ(::umount2(repository_path.c_str(), MNT_DETACH), 0);
}

TEST_F(RunningMountTest, NeedsNoCacheThatWasThereBefore) {
  SqliteHistory history(database(), 50);
  backup();
  history.commit(2);
  backup();
  std::filesystem::remove_all(path("cache"));
  mount();
  EXPECT_EQ(epochs().size(), history.moments().size());
  EXPECT_EQ(read_file(tree() + "/latest/app.db"), history.moments().back().image);
}

}  // namespace
}  // namespace epochfs::test
