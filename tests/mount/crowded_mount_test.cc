// One mount and a crowd: many readers, many open files, readers and a server that are killed, a
// repository that is away for a while. Whatever is read is right, or an error.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "tests/capture/other_process.h"
#include "tests/mount/mounted_repository.h"
#include "tests/support/random_history.h"
#include "tests/support/samples.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

using engine::UniqueFd;

class CrowdedMountTest : public MountedRepositoryTest {
 protected:
  // A history with so many epochs, backed up and mounted. What the server says is looked at when it
  // ends: sanitizers tell what they find there.
  void serve_epochs(std::size_t count) {
    history_.emplace(database(), 60);
    backup();
    history_->commit(count - 1);
    backup();
    serve();
  }
  void serve(const std::string& mount_options = "ro") {
    const std::vector<std::string> command = {EPOCHFS_COMMAND, "mount",      "--foreground", "-o",
                                              mount_options,   repository(), mountpoint()};
    ProcessOptions options = environment();
    options.timeout = std::chrono::minutes(8);
    server_ = std::make_unique<Process>(command, options);
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(tree() + "/latest"); }));
  }
  void expect_a_clean_end() {
    server_->signal(SIGTERM);
    const ProcessResult result = server_->wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    for (const char* finding : {"Sanitizer", "runtime error"})
      EXPECT_EQ(result.err.find(finding), std::string::npos) << result.err;
    server_.reset();
  }
  void TearDown() override {
    if (server_) expect_a_clean_end();
  }

  static std::string name_of(std::size_t index) { return fmt::format("{:010}", index + 1); }
  [[nodiscard]] std::string file_of(std::size_t index) const { return epoch_file(name_of(index)); }

  // Opens any epoch and compares some of it: 0, an error number, or -1 for wrong bytes.
  [[nodiscard]] int look(std::mt19937_64& random) const {
    const std::size_t index = random() % history_->moments().size();
    const UniqueFd file(::open(file_of(index).c_str(), O_RDONLY | O_CLOEXEC));
    return file ? look(file.get(), index, random) : errno;
  }
  [[nodiscard]] int look(int file, std::size_t index, std::mt19937_64& random) const {
    const std::string& image = history_->moments().at(index).image;
    const std::size_t begin = random() % image.size();
    std::string bytes(std::min<std::size_t>(random() % 20'000 + 1, image.size() - begin), '\0');
    const ssize_t count = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (count < 0) return errno;
    const auto read = static_cast<std::size_t>(count);
    if (image.compare(begin, read, bytes, 0, read) != 0) return -1;
    return read == bytes.size() ? 0 : EIO;  // of which a part was in memory already
  }
  // Readers that are older than an epoch find its image written down before it is backed up.
  void write_images_down() const {
    const std::string directory = path("images");
    std::filesystem::create_directories(directory);
    const auto& moments = history_->moments();
    for (std::size_t i = list_directory(directory).size(); i < moments.size(); ++i)
      write_file(directory + "/" + name_of(i), moments[i].image);
  }
  // The newest epoch there is: its image, and a database.
  [[nodiscard]] bool is_latest_right() const {
    const std::string epoch = std::filesystem::path(read_link(tree() + "/latest")).filename();
    const std::string image = read_file(path("images/" + epoch));
    LiveDatabase latest(tree() + "/latest/app.db");
    return !image.empty() && read_file(epoch_file(epoch)) == image &&
           latest.ask("PRAGMA quick_check") == "ok" &&
           latest.ask("SELECT count(*) FROM ledger") != "0";
  }
  // All that was written down is listed, and the last of it is `latest`.
  [[nodiscard]] bool is_newest_right() const {
    const std::vector<std::string> names = list_directory(path("images"));
    return epochs() == names && read_link(tree() + "/latest") == "epochs/" + names.back() &&
           is_latest_right();
  }
  [[nodiscard]] bool is_all_listed() const { return epochs().size() == history_->moments().size(); }

  // Reads while the repository is away and when it is back, also in a file that was open before.
  void expect_right_again(const std::function<void()>& leave,
                          const std::function<void()>& come_back) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
    std::mt19937_64 random(seed);
    serve_epochs(20);
    constexpr std::size_t kHeld = 7;
    const UniqueFd held(::open(file_of(kHeld).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(held) << std::strerror(errno);
    leave();
    int failures = 0;
    for (int i = 0; i < 100; ++i) {
      const int outcome = look(random);
      EXPECT_NE(outcome, -1);
      EXPECT_NE(look(held.get(), kHeld, random), -1);
      failures += outcome != 0 ? 1 : 0;
    }
    EXPECT_GT(failures, 0);
    come_back();
    EXPECT_TRUE(
        eventually([&] { return look(random) == 0 && look(held.get(), kHeld, random) == 0; }));
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(look(random), 0);
      EXPECT_EQ(look(held.get(), kHeld, random), 0);
    }
    history_->commit();
    backup();
    EXPECT_TRUE(eventually([&] { return is_all_listed(); }));
    for (std::size_t i = 0; i < history_->moments().size(); ++i)
      expect_image(file_of(i), history_->moments()[i].image);
    EXPECT_EQ(read_file(tree() + "/latest/app.db"), history_->moments().back().image);
    EXPECT_EQ(look(held.get(), kHeld, random), 0);
  }

  // Ready after a first look; when it is told to stop, a last one is at the newest epoch.
  std::unique_ptr<OtherProcess> reader(std::uint64_t seed) const {
    return std::make_unique<OtherProcess>([this, seed](const OtherProcess::Ready& ready) {
      const StopSign stop;
      std::mt19937_64 random(seed);
      if (look(random) != 0) return false;
      ready();
      while (!stop.is_there()) {
        const std::uint64_t kind = random() % 20;
        const bool good = kind == 0   ? is_latest_right()
                          : kind == 1 ? epochs().size() >= history_->moments().size()
                                      : look(random) == 0;
        if (!good) return false;
      }
      return is_newest_right();
    });
  }

  std::optional<SqliteHistory> history_;
  std::unique_ptr<Process> server_;
};

TEST_F(CrowdedMountTest, GivesEveryReaderTheRightBytesWhileBackupsArrive) {
  const std::size_t readers = 64 / one_of_many_under_sanitizers(8);
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
  serve_epochs(30);
  write_images_down();
  std::vector<std::unique_ptr<OtherProcess>> crowd;
  const auto add_reader = [&](std::uint64_t number) {
    auto one = reader(seed + number);
    EXPECT_TRUE(one->ready());
    return one;
  };
  for (std::size_t i = 0; i < readers; ++i) crowd.push_back(add_reader(i));
  for (std::size_t round = 0; round < 4; ++round) {
    history_->commit(2);
    write_images_down();
    backup();
    EXPECT_TRUE(eventually([&] { return is_newest_right(); }));
    for (std::size_t i = round; i < readers; i += 8) {  // the rest live to tell
      crowd[i]->kill_now();
      crowd[i] = add_reader(readers + i);
    }
  }
  for (const auto& one : crowd) one->ask_to_stop();
  for (const auto& one : crowd) EXPECT_EQ(one->join(), 0);
}

TEST_F(CrowdedMountTest, ServesTenThousandOpenFiles) {
  const std::size_t files = 10'000 / one_of_many_under_sanitizers(10);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, files + 500);
  limit.rlim_max = std::max(limit.rlim_cur, limit.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0) << "this test needs so many descriptors";
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  serve_epochs(50);
  std::vector<std::pair<UniqueFd, std::size_t>> open;
  for (std::size_t i = 0; i < files; ++i) {
    const std::size_t index = i % history_->moments().size();
    open.emplace_back(UniqueFd(::open(file_of(index).c_str(), O_RDONLY | O_CLOEXEC)), index);
    ASSERT_TRUE(open.back().first) << i << ": " << std::strerror(errno);
  }
  for (const auto& [file, index] : open) ASSERT_EQ(look(file.get(), index, random), 0);
  open.clear();
  EXPECT_EQ(look(random), 0);
}

TEST_F(CrowdedMountTest, LetsNoReaderHangWhenTheServerIsKilled) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
  serve_epochs(20);
  std::vector<std::unique_ptr<OtherProcess>> crowd;
  for (std::uint64_t i = 0; i < 8; ++i) {
    crowd.push_back(std::make_unique<OtherProcess>([&](const OtherProcess::Ready& ready) {
      std::mt19937_64 random(seed + i);
      ready();
      int outcome = 0;
      while (outcome == 0) outcome = look(random);
      return outcome > 0;  // an error, and not wrong bytes
    }));
  }
  server_->signal(SIGKILL);
  EXPECT_EQ(server_->wait().exit_code, 128 + SIGKILL);
  for (const auto& one : crowd) EXPECT_EQ(one->join(), 0);
  std::mt19937_64 random(seed);
  EXPECT_EQ(look(random), ENOTCONN);
  unmount();
  serve();
  EXPECT_EQ(look(random), 0);
}

TEST_F(CrowdedMountTest, IsRightAgainWhenTheRepositoryIsBack) {
  expect_right_again([&] { std::filesystem::rename(repository(), path("away")); },
                     [&] { std::filesystem::rename(path("away"), repository()); });
}

TEST_F(CrowdedMountTest, IsRightAgainWhenACopyOfTheRepositoryIsThere) {
  const auto options = std::filesystem::copy_options::recursive;
  expect_right_again(
      [&] {
        std::filesystem::copy(repository(), path("aside"), options);
        std::filesystem::remove_all(repository());
      },
      [&] { std::filesystem::copy(path("aside"), repository(), options); });
}

#ifndef EPOCHFS_SANITIZED  // a sanitizer has an allocator of its own

TEST_F(CrowdedMountTest, TakesNoMoreMemoryThanItsBudget) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  constexpr std::uint64_t kFileBytes = 160 * kMiB;
  constexpr std::uint64_t kCacheMiB = 64;
  constexpr std::uint64_t kBesideMiB = 32;  // 64 are promised
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "EPOCHFS_TEST_SEED=" << seed);
  ASSERT_EQ(
      run({"sqlite3", database(),
           fmt::format("CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
                       "i+1 FROM n WHERE i<{}) INSERT INTO t SELECT randomblob(1000000) FROM n",
                       kFileBytes / 1'000'000)})
          .exit_code,
      0);
  backup();
  serve(fmt::format("cache={}M", kCacheMiB));
  const std::string original = read_file(database());
  const UniqueFd file(::open(file_of(0).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  // Alone, then at once, so that other threads of the server's are busy.
  const auto read_here_and_there = [&](std::uint64_t begin, int count) {
    std::mt19937_64 random(begin);
    std::string page(4096, '\0');
    bool right = true;
    for (int i = 0; i < count; ++i) {
      const std::size_t at = random() % (original.size() / page.size()) * page.size();
      right = ::pread(file.get(), page.data(), page.size(), static_cast<off_t>(at)) ==
                  static_cast<ssize_t>(page.size()) &&
              original.compare(at, page.size(), page) == 0 && right;
    }
    EXPECT_TRUE(right);
  };
  for (std::uint64_t round = 0; round < 4; ++round) {
    read_here_and_there(seed + 100 * round, 5'000);
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 1; reader <= 8; ++reader)
      readers.emplace_back(read_here_and_there, seed + 100 * round + reader, 600);
    for (std::thread& reader : readers) reader.join();
  }
  std::istringstream status(read_file(fmt::format("/proc/{}/status", server_->pid())));
  std::string line;
  while (std::getline(status, line) && !line.starts_with("VmHWM:")) {
  }
  ASSERT_TRUE(line.starts_with("VmHWM:"));
  const std::uint64_t peak_kib = std::stoull(line.substr(std::string("VmHWM:").size()));
  EXPECT_GT(peak_kib, kCacheMiB * 1024 / 2) << "the cache was not filled";
  EXPECT_LE(peak_kib, (kCacheMiB + kBesideMiB) * 1024);
}

#endif

}  // namespace
}  // namespace epochfs::test
