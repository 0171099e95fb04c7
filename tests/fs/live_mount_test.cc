// What programs see of a mount: real system calls, bytes that are known.
#include "tests/fs/live_mount.h"

#include <dirent.h>
#include <fmt/format.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <atomic>
#include <functional>
#include <random>

namespace epochfs::testing {
namespace {

namespace files = std::filesystem;
using Names = std::vector<std::string>;

constexpr std::uint64_t kFileBytes = 300'000;

// Collects the log while it lives.
class LogCapture {
 public:
  LogCapture() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>("capture", lines_);
    logger->set_pattern("%v");
    spdlog::set_default_logger(std::move(logger));
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture() { spdlog::set_default_logger(before_); }

  [[nodiscard]] Names lines() const { return lines_->last_formatted(); }

 private:
  static constexpr std::size_t kLinesMax = 100;
  const std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_ =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kLinesMax);
  const std::shared_ptr<spdlog::logger> before_;
};

class LiveMountTest : public ::testing::Test {
 protected:
  std::string epoch(const std::string& below) const { return mount_.path("app/epochs/" + below); }

  const LogCapture log_;  // outlives the threads that write to it
  const std::shared_ptr<FakeRepository> repository_ = std::make_shared<FakeRepository>();
  const std::shared_ptr<FakeDatabase> app_ = repository_->add(
      "app", {fake_facts(3, utc("2025-12-31T23:59:59")), fake_facts(4, utc("2026-11-20")),
              fake_facts(7, engine::UtcTime(utc("2026-11-20T12:00:03").get() + 123'456'789))});
  const std::shared_ptr<FakeDatabase> other_ = repository_->add("other", {});
  const LiveMount mount_{repository_};
};

TEST_F(LiveMountTest, ListsDatabasesWaysAndEpochs) {
  EXPECT_EQ(names_in(mount_.path()), (Names{"app", "other"}));
  EXPECT_EQ(names_in(mount_.path("app")), (Names{"latest", "epochs", "recent", "by-time"}));
  EXPECT_EQ(names_in(epoch("")), (Names{"0000000003", "0000000004", "0000000007"}));
  EXPECT_EQ(names_in(epoch("7")), (Names{"app.db", "app.db-wal", "app.db-shm", "epoch.json"}));
  EXPECT_EQ(names_in(mount_.path("app/by-time/2026/11/20")),
            (Names{"00-00-00.000Z_0000000004", "12-00-03.123Z_0000000007"}));
  EXPECT_TRUE(names_in(mount_.path("other/epochs")).empty());
}

TEST_F(LiveMountTest, TellsTypesAndTheDotsWhenListed) {
  const std::unique_ptr<DIR, engine::ClosedBy<::closedir>> directory(
      ::opendir(mount_.path("app").c_str()));
  ASSERT_TRUE(directory);
  std::map<std::string, int> types;
  std::map<std::string, ino_t> inodes;
  while (const dirent* entry = ::readdir(directory.get())) {
    types[entry->d_name] = entry->d_type;
    inodes[entry->d_name] = entry->d_ino;
  }
  const std::map<std::string, int> want = {{".", DT_DIR},      {"..", DT_DIR},
                                           {"latest", DT_LNK}, {"epochs", DT_DIR},
                                           {"recent", DT_DIR}, {"by-time", DT_DIR}};
  EXPECT_EQ(types, want);
  EXPECT_EQ(inodes[".."], 1U);
  struct stat status {};
  ASSERT_EQ(::lstat(mount_.path("app/epochs").c_str(), &status), 0);
  EXPECT_EQ(inodes["epochs"], status.st_ino);
}

TEST_F(LiveMountTest, GivesOneDatabaseDirectlyWhenAsked) {
  const LiveMount one(repository_, "app");
  EXPECT_EQ(names_in(one.path()), (Names{"latest", "epochs", "recent", "by-time"}));
  EXPECT_EQ(files::read_symlink(one.path("latest")), "epochs/0000000007");
  EXPECT_EQ(read_whole(one.path("latest/app.db")), fake_bytes(7, 0, kFileBytes));
}

TEST_F(LiveMountTest, ShowsCommitTimesToTheNanosecond) {
  for (const char* name : {"7", "0000000007", "7/app.db", "7/app.db-wal", "7/epoch.json", ""}) {
    struct stat status {};
    ASSERT_EQ(::lstat(epoch(name).c_str(), &status), 0) << name;
    const std::int64_t want = app_->fake_timeline()->epochs().back().committed.get();
    for (const timespec& time : {status.st_mtim, status.st_ctim, status.st_atim})
      EXPECT_EQ(time.tv_sec * kNanosPerSecond + time.tv_nsec, want) << name;
  }
}

TEST_F(LiveMountTest, ShowsModesSizesAndOwner) {
  struct stat status {};
  ASSERT_EQ(::stat(epoch("7/app.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFREG | 0444U);
  EXPECT_EQ(status.st_size, static_cast<off_t>(kFileBytes));
  EXPECT_EQ(status.st_blocks, static_cast<blkcnt_t>((kFileBytes + 511) / 512));
  EXPECT_EQ(status.st_uid, ::getuid());
  EXPECT_EQ(status.st_gid, ::getgid());
  ASSERT_EQ(::stat(epoch("7/app.db-wal").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 0);
  EXPECT_EQ(status.st_blocks, 0);
  ASSERT_EQ(::stat(epoch("7").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFDIR | 0555U);
  ASSERT_EQ(::lstat(mount_.path("app/latest").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFLNK | 0777U);
  EXPECT_EQ(status.st_size, 17);
}

TEST_F(LiveMountTest, LeadsEveryLinkToItsEpoch) {
  const auto leads = [&](const std::string& link) {
    return files::canonical(mount_.path("app/" + link)).filename().string();
  };
  EXPECT_EQ(leads("latest"), "0000000007");
  EXPECT_EQ(leads("recent/0000000004_2026-11-20T00-00-00.000Z"), "0000000004");
  EXPECT_EQ(leads("by-time/2025/12/31/23-59-59.000Z_0000000003"), "0000000003");
  EXPECT_EQ(leads("by-time/2026-11-20T12:00"), "0000000004");
  EXPECT_EQ(leads("by-time/2026-11-20 12:00:03.123"), "0000000007");
  const auto newest_now = [&] {
    const auto facts = app_->fake_timeline()->newest_at(engine::utc_now());
    return fmt::format("{:010}", facts.value().value().epoch.get());
  };
  const std::string now_before = newest_now();
  const std::string now = leads("by-time/now");
  EXPECT_TRUE(now == now_before || now == newest_now()) << now;
  EXPECT_FALSE(files::exists(mount_.path("app/by-time/1999-01-01")));
  EXPECT_FALSE(files::exists(mount_.path("app/by-time/1999")));
}

TEST_F(LiveMountTest, KeepsBothSpellingsOfAnEpochApart) {
  const files::path unpadded = epoch("7");
  const files::path padded = epoch("0000000007");
  const engine::UniqueFd held(::open(unpadded.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(files::exists(padded / "app.db"));
  // The kernel renames a directory that it meets under a second name.
  EXPECT_EQ(files::read_symlink("/proc/self/fd/" + std::to_string(held.get())),
            files::canonical(mount_.path()) / "app/epochs/7");
  EXPECT_TRUE(files::equivalent(padded / "app.db", unpadded / "app.db"));
}

TEST_F(LiveMountTest, ServesADirectoryOfAnEpochUnderBothSpellings) {
  app_->has_logs = true;
  for (const std::string name : {"0000000007", "7"}) {
    const std::string logs = epoch(name + "/app.db.logs");
    EXPECT_EQ(names_in(logs), (std::vector<std::string>{"1.log", "2.log"})) << name;
    EXPECT_TRUE(std::filesystem::is_directory(logs));
    EXPECT_EQ(std::filesystem::file_size(logs + "/2.log"), 0U);
    EXPECT_EQ(read_whole(logs + "/1.log"), fake_bytes(7, 0, 5000));
    EXPECT_EQ(std::filesystem::canonical(logs + "/../app.db"),
              std::filesystem::canonical(epoch(name)) / "app.db");
    EXPECT_FALSE(std::filesystem::exists(logs + "/3.log"));
  }
}

TEST_F(LiveMountTest, LetsFilesBeLocked) {
  const std::string path = epoch("7/app.db");
  const engine::UniqueFd first = open_to_read(path);
  const engine::UniqueFd second = open_to_read(path);
  EXPECT_EQ(::flock(first.get(), LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(::flock(second.get(), LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(::flock(second.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
}

TEST_F(LiveMountTest, TellsNoStateHashWhereThereIsNone) {
  auto facts = fake_facts(8, utc("2026-11-21"));
  facts.how = engine::native::Captured::kLog;
  repository_->add("logged", {facts});
  const std::string path = mount_.path("logged/epochs/8");
  std::string names(1000, '\0');
  const ssize_t size = ::listxattr(path.c_str(), names.data(), names.size());
  ASSERT_GT(size, 0);
  names.resize(static_cast<std::size_t>(size));
  EXPECT_EQ(names.find("state_hash"), std::string::npos);
  EXPECT_NE(names.find("user.epochfs.epoch"), std::string::npos);
  EXPECT_EQ(::getxattr(path.c_str(), "user.epochfs.state_hash", names.data(), names.size()), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(read_whole(mount_.path("logged/.epochfs/epochs.jsonl")),
            R"({"epoch":8,"committed":"2026-11-21T00:00:00.000000000Z","size_bytes":300000,)"
            R"("records":2,"how":"log"})"
            "\n");
}

TEST_F(LiveMountTest, ServesEveryByte) {
  EXPECT_EQ(read_whole(epoch("3/app.db")), fake_bytes(3, 0, kFileBytes));
  EXPECT_EQ(read_whole(epoch("7/app.db")), fake_bytes(7, 0, kFileBytes));
  EXPECT_EQ(read_whole(epoch("7/app.db-wal")), "");
  EXPECT_EQ(read_whole(epoch("7/epoch.json")), fake_bytes(7, 0, 100));
}

TEST_F(LiveMountTest, ServesWhatIsReadInAnyPlace) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const engine::UniqueFd file = open_to_read(epoch("4/app.db"));
  const std::string whole = fake_bytes(4, 0, kFileBytes);
  for (int i = 0; i < 300; ++i) {
    const std::size_t offset = random() % (kFileBytes + 1000);
    const std::size_t size = random() % 150'000;
    const std::string want = offset < whole.size() ? whole.substr(offset, size) : "";
    ASSERT_EQ(pread_some(file.get(), size, offset), want) << offset << "+" << size;
  }
}

TEST_F(LiveMountTest, ServesMappedMemory) {
  const engine::UniqueFd file = open_to_read(epoch("4/app.db"));
  void* const at = ::mmap(nullptr, kFileBytes, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  const std::string_view mapped(static_cast<const char*>(at), kFileBytes);
  EXPECT_EQ(mapped, fake_bytes(4, 0, kFileBytes));
  ::munmap(at, kFileBytes);
}

TEST_F(LiveMountTest, JoinsMorePiecesThanOneReplyCanHold) {
  app_->piece_bytes = 64;
  EXPECT_EQ(read_whole(epoch("4/app.db")), fake_bytes(4, 0, kFileBytes));
}

TEST_F(LiveMountTest, ServesSixteenThreadsAtOnce) {
  std::vector<std::thread> readers;
  std::atomic<int> wrong = 0;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  for (unsigned reader = 0; reader < 16; ++reader)
    readers.emplace_back([&, reader] {
      std::mt19937 random(seed + reader);
      constexpr std::array<std::uint64_t, 3> kEpochs = {3, 4, 7};
      for (int i = 0; i < 60; ++i) {
        const std::uint64_t number = kEpochs[random() % kEpochs.size()];
        const engine::UniqueFd file = open_to_read(epoch(std::to_string(number) + "/app.db"));
        const std::uint64_t offset = random() % (kFileBytes - 5000);
        if (pread_some(file.get(), 5000, offset) != fake_bytes(number, offset, 5000)) ++wrong;
      }
    });
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(LiveMountTest, IsReadFurtherAheadForRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may change what the kernel reads ahead";
  const auto place = fs::mounted_at(std::filesystem::canonical(mount_.path()).string()).value();
  ASSERT_TRUE(place);
  const std::string file = "/sys/class/bdi/" + place->device + "/read_ahead_kb";
  if (::access(file.c_str(), W_OK) != 0)
    GTEST_SKIP() << file << ": " << std::generic_category().message(errno);
  static_cast<void>(names_in(mount_.path()));
  std::string told;
  for (int waited = 0; waited < 10'000 && told != "256\n"; waited += 10) {
    told = read_whole(file);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(told, "256\n");
}

TEST_F(LiveMountTest, HasNoHoles) {
  const engine::UniqueFd file = open_to_read(epoch("7/app.db"));
  constexpr off_t kSize = kFileBytes;
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_DATA), 0);
  EXPECT_EQ(::lseek(file.get(), 5000, SEEK_DATA), 5000);
  EXPECT_EQ(::lseek(file.get(), 5000, SEEK_HOLE), kSize);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), kSize);
  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    errno = 0;
    EXPECT_EQ(::lseek(file.get(), kSize, whence), -1);
    EXPECT_EQ(errno, ENXIO);
  }
}

TEST_F(LiveMountTest, TellsTheEpochInAttributes) {
  const auto attribute = [](const std::string& path, const char* name) {
    std::array<char, 256> value{};
    const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
    return size < 0 ? std::generic_category().message(errno)
                    : std::string(value.data(), static_cast<std::size_t>(size));
  };
  for (const char* name : {"7", "0000000007", "7/app.db", "7/epoch.json"}) {
    EXPECT_EQ(attribute(epoch(name), "user.epochfs.epoch"), "7");
    EXPECT_EQ(attribute(epoch(name), "user.epochfs.commit_time"),
              engine::format_utc(app_->fake_timeline()->epochs().back().committed));
    EXPECT_EQ(attribute(epoch(name), "user.epochfs.state_hash"),
              "0000000000000007fffffffffffffff8");
  }
  EXPECT_EQ(::getxattr(epoch("7").c_str(), "user.other", nullptr, 0), -1);
  EXPECT_EQ(errno, ENODATA);
  std::array<char, 2> small{};
  EXPECT_EQ(::getxattr(epoch("7").c_str(), "user.epochfs.state_hash", small.data(), small.size()),
            -1);
  EXPECT_EQ(errno, ERANGE);
  std::array<char, 256> list{};
  const ssize_t size = ::listxattr(epoch("7/app.db").c_str(), list.data(), list.size());
  ASSERT_GT(size, 0);
  using namespace std::string_view_literals;
  EXPECT_EQ(std::string_view(list.data(), static_cast<std::size_t>(size)),
            "user.epochfs.epoch\0user.epochfs.commit_time\0user.epochfs.state_hash\0"sv);
  EXPECT_EQ(::listxattr(mount_.path("app").c_str(), list.data(), list.size()), 0);
}

TEST_F(LiveMountTest, IsAsLargeAsWhatIsStoredAndFull) {
  struct statvfs statistics {};
  ASSERT_EQ(::statvfs(mount_.path().c_str(), &statistics), 0);
  EXPECT_EQ(statistics.f_blocks, (30'000U + 4095) / 4096);
  EXPECT_EQ(statistics.f_bfree, 0U);
  EXPECT_EQ(statistics.f_bavail, 0U);
  EXPECT_NE(statistics.f_flag & ST_RDONLY, 0U);
  EXPECT_NE(statistics.f_flag & ST_NOSUID, 0U);
  EXPECT_NE(statistics.f_flag & ST_NODEV, 0U);
}

struct ModifyingCall {
  const char* name;
  std::function<long(const std::string& directory)> call;  // an epoch's directory
};

std::vector<ModifyingCall> modifying_calls() {
  const auto file = [](const std::string& directory) { return directory + "/app.db"; };
  const auto fresh = [](const std::string& directory) { return directory + "/new"; };
  constexpr std::array<timespec, 2> kTimes{};
  return {
      {"open for write", [=](auto& d) { return ::open(file(d).c_str(), O_WRONLY); }},
      {"open for both", [=](auto& d) { return ::open(file(d).c_str(), O_RDWR); }},
      {"open to truncate", [=](auto& d) { return ::open(file(d).c_str(), O_RDONLY | O_TRUNC); }},
      {"create", [=](auto& d) { return ::open(fresh(d).c_str(), O_CREAT | O_RDWR, 0644); }},
      {"truncate", [=](auto& d) { return ::truncate(file(d).c_str(), 0); }},
      {"chmod", [=](auto& d) { return ::chmod(file(d).c_str(), 0777); }},
      {"chown", [=](auto& d) { return ::chown(file(d).c_str(), 1, 1); }},
      {"utimens", [=](auto& d) { return ::utimensat(-1, file(d).c_str(), kTimes.data(), 0); }},
      {"unlink", [=](auto& d) { return ::unlink(file(d).c_str()); }},
      {"rmdir", [=](auto& d) { return ::rmdir(d.c_str()); }},
      {"mkdir", [=](auto& d) { return ::mkdir(fresh(d).c_str(), 0755); }},
      {"mkfifo", [=](auto& d) { return ::mkfifo(fresh(d).c_str(), 0644); }},
      {"symlink", [=](auto& d) { return ::symlink("x", fresh(d).c_str()); }},
      {"link", [=](auto& d) { return ::link(file(d).c_str(), fresh(d).c_str()); }},
      {"rename", [=](auto& d) { return ::rename(file(d).c_str(), fresh(d).c_str()); }},
      {"setxattr", [=](auto& d) { return ::setxattr(file(d).c_str(), "user.x", "y", 1, 0); }},
      {"removexattr",
       [=](auto& d) { return ::removexattr(file(d).c_str(), "user.epochfs.epoch"); }},
  };
}

TEST_F(LiveMountTest, RefusesEveryChangeAsReadOnly) {
  for (const ModifyingCall& modifying : modifying_calls()) {
    errno = 0;
    EXPECT_EQ(modifying.call(epoch("7")), -1) << modifying.name;
    EXPECT_EQ(errno, EROFS) << modifying.name;
  }
}

TEST_F(LiveMountTest, RefusesEveryChangeEvenWhenRemountedForWriting) {
  if (::geteuid() != 0) GTEST_SKIP() << "remounting takes root";
  ASSERT_EQ(
      ::mount("none", mount_.path().c_str(), nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, nullptr),
      0);
  struct statvfs statistics {};
  ASSERT_EQ(::statvfs(mount_.path().c_str(), &statistics), 0);
  ASSERT_EQ(statistics.f_flag & ST_RDONLY, 0U);
  for (const ModifyingCall& modifying : modifying_calls()) {
    errno = 0;
    EXPECT_EQ(modifying.call(epoch("7")), -1) << modifying.name;
    EXPECT_EQ(errno, EROFS) << modifying.name;
  }
  EXPECT_EQ(read_whole(epoch("7/app.db")), fake_bytes(7, 0, kFileBytes));
}

TEST_F(LiveMountTest, FailsForADamagedPageAndServesTheOthers) {
  constexpr std::uint64_t kPage = 4096;
  constexpr std::uint64_t kBad = 20;
  app_->damage->set_bad_pages({kBad});
  const engine::UniqueFd file = open_to_read(epoch("4/app.db"));
  for (std::uint64_t page = 0; page * kPage < kFileBytes; ++page) {
    errno = 0;
    const auto bytes = pread_some(file.get(), kPage, page * kPage);
    if (page == kBad) {
      EXPECT_FALSE(bytes);
      EXPECT_EQ(errno, EIO);
    } else {
      const std::size_t size = std::min(kPage, kFileBytes - page * kPage);
      EXPECT_EQ(bytes, fake_bytes(4, page * kPage, size)) << "page " << page;
    }
  }
  const Names want = {
      "read: app/epochs/0000000004/app.db: hash differs: segment incr-1-2.seg: page 21\n"};
  EXPECT_EQ(log_.lines(), want);
}

TEST_F(LiveMountTest, ServesADamagedPageOnceItIsWholeAgain) {
  app_->damage->set_bad_pages({20});
  const engine::UniqueFd file = open_to_read(epoch("4/app.db"));
  EXPECT_FALSE(pread_some(file.get(), 4096, 20 * 4096));
  app_->damage->set_bad_pages({});
  EXPECT_EQ(pread_some(file.get(), 4096, 20 * 4096), fake_bytes(4, 20 * 4096, 4096));
}

TEST_F(LiveMountTest, DoesNotTakeAFailureForAnAbsentFile) {
  app_->damage->views_missing = true;
  struct stat status {};
  EXPECT_EQ(::stat(epoch("4/app.db").c_str(), &status), -1);
  EXPECT_EQ(errno, EIO);
  app_->damage->views_missing = false;
  EXPECT_EQ(::stat(epoch("4/app.db").c_str(), &status), 0);
}

TEST_F(LiveMountTest, AnswersForAbsentFilesOfAnEpochOnce) {
  struct stat status {};
  EXPECT_EQ(::stat(epoch("4/app.db-journal").c_str(), &status), -1);
  EXPECT_EQ(errno, ENOENT);
  const std::size_t asked = app_->views;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(::stat(epoch("4/app.db-journal").c_str(), &status), -1);
  EXPECT_EQ(app_->views, asked);
}

TEST_F(LiveMountTest, ShowsNewEpochsAtOnce) {
  EXPECT_FALSE(files::exists(epoch("8")));
  EXPECT_FALSE(files::exists(epoch("0000000008")));
  EXPECT_FALSE(files::exists(mount_.path("app/by-time/2027")));
  EXPECT_FALSE(files::exists(mount_.path("other/latest")));
  app_->append(fake_facts(8, utc("2027-01-01")));
  other_->append(fake_facts(1, utc("2027-01-01")));
  EXPECT_TRUE(files::exists(epoch("8")));
  EXPECT_TRUE(files::exists(epoch("0000000008/app.db")));
  EXPECT_EQ(names_in(epoch("")).back(), "0000000008");
  EXPECT_EQ(names_in(mount_.path("app/recent")).back(), "0000000008_2027-01-01T00-00-00.000Z");
  EXPECT_EQ(files::read_symlink(mount_.path("app/latest")), "epochs/0000000008");
  EXPECT_EQ(read_whole(mount_.path("app/latest/app.db")), fake_bytes(8, 0, kFileBytes));
  EXPECT_TRUE(files::exists(mount_.path("app/by-time/2027/01/01")));
  EXPECT_EQ(files::read_symlink(mount_.path("other/latest")), "epochs/0000000001");
}

TEST_F(LiveMountTest, KeepsNothingOfAFileThatMayChange) {
  const engine::UniqueFd held = open_to_read(epoch("7/epoch.json"));
  EXPECT_EQ(pread_some(held.get(), 1000, 0), fake_bytes(7, 0, 100));
  app_->append(fake_facts(8, utc("2027-01-01")));
  EXPECT_EQ(files::file_size(epoch("7/epoch.json")), 150U);
  EXPECT_EQ(read_whole(epoch("7/epoch.json")), fake_bytes(7, 0, 150));
  EXPECT_EQ(pread_some(held.get(), 1000, 0), fake_bytes(7, 0, 100));
}

TEST_F(LiveMountTest, NeverLetsLatestAndListingsDisagree) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t number = 8; number < 800; ++number) {
      app_->append(fake_facts(number, utc("2027-01-01")));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    done = true;
  });
  const auto newest_listed = [&] { return names_in(epoch("")).back(); };
  const auto latest = [&] {
    return files::read_symlink(mount_.path("app/latest")).filename().string();
  };
  while (!done) {
    const std::string before = latest();
    const std::string listed = newest_listed();
    const std::string after = latest();
    EXPECT_LE(before, listed);
    EXPECT_LE(listed, after);
    EXPECT_TRUE(files::exists(epoch(after) + "/app.db")) << after;
  }
  writer.join();
  EXPECT_EQ(latest(), "0000000799");
}

TEST_F(LiveMountTest, ListsAHundredThousandEpochsWithoutOpeningOne) {
  constexpr std::uint64_t kCount = 100'000;
  const auto long_one =
      repository_->add("long", fake_history(kCount, utc("2026-01-01"), kNanosPerSecond));
  const std::unique_ptr<DIR, engine::ClosedBy<::closedir>> directory(
      ::opendir(mount_.path("long/epochs").c_str()));
  ASSERT_TRUE(directory);
  std::uint64_t seen = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] == '.') continue;
    ++seen;
    ASSERT_EQ(entry->d_name, fmt::format("{:010}", seen));
    ASSERT_EQ(entry->d_type, DT_DIR);
    struct stat status {};
    // Now and then, which makes the kernel ask for the attributes of all.
    if (seen % 16 == 0) {
      ASSERT_EQ(::fstatat(::dirfd(directory.get()), entry->d_name, &status, 0), 0);
      ASSERT_EQ(status.st_mtim.tv_sec,
                utc("2026-01-01").get() / kNanosPerSecond + static_cast<std::int64_t>(seen) - 1);
    }
  }
  EXPECT_EQ(seen, kCount);
  EXPECT_EQ(long_one->views, 0U);
}

TEST_F(LiveMountTest, ContinuesAListingWhereTheReaderWas) {
  const std::unique_ptr<DIR, engine::ClosedBy<::closedir>> directory(::opendir(epoch("").c_str()));
  ASSERT_TRUE(directory);
  const auto next = [&] {
    const dirent* entry = ::readdir(directory.get());
    return std::string(entry == nullptr ? "" : entry->d_name);
  };
  EXPECT_EQ(next(), ".");
  EXPECT_EQ(next(), "..");
  EXPECT_EQ(next(), "0000000003");
  const long place = ::telldir(directory.get());
  EXPECT_EQ(next(), "0000000004");
  EXPECT_EQ(next(), "0000000007");
  EXPECT_EQ(next(), "");
  ::seekdir(directory.get(), place);
  EXPECT_EQ(next(), "0000000004");
}

TEST_F(LiveMountTest, TellsItsStateWithoutListingIt) {
  static_cast<void>(read_whole(epoch("7/app.db")));
  for (const std::string& name : names_in(mount_.path("app"))) EXPECT_NE(name, ".epochfs");
  EXPECT_EQ(names_in(mount_.path("app/.epochfs")), (Names{"status.json", "epochs.jsonl"}));
  const std::string status = read_whole(mount_.path("app/.epochfs/status.json"));
  const Names parts = {fmt::format(R"("version": "{}")", EPOCHFS_VERSION),
                       R"("source": "/the/source, with a comma")",
                       R"("read_only": true)",
                       R"("name": "app")",
                       R"("epochs": 3)",
                       R"("newest": 7)",
                       R"("covered_until": "2026-11-20T12:00:0)",
                       R"("hits": 7)",
                       R"("lookup")",
                       R"("errors": 0)"};
  for (const std::string& part : parts)
    EXPECT_NE(status.find(part), std::string::npos) << part << " in " << status;
}

TEST_F(LiveMountTest, ListsTheEpochsAsLinesWhereverTheyAreRead) {
  constexpr std::uint64_t kCount = 5000;
  repository_->add("long", fake_history(kCount, utc("2026-01-01"), kNanosPerSecond));
  const std::string path = mount_.path("long/.epochfs/epochs.jsonl");
  const std::string whole = read_whole(path);
  EXPECT_EQ(static_cast<std::uint64_t>(std::count(whole.begin(), whole.end(), '\n')), kCount);
  EXPECT_TRUE(whole.starts_with(
      R"({"epoch":1,"committed":"2026-01-01T00:00:00.000000000Z","size_bytes":300000,)"
      R"("pages_changed":2,"state_hash":"0000000000000001fffffffffffffffe","how":"commit"})"
      "\n"));
  const engine::UniqueFd file = open_to_read(path);
  for (const std::uint64_t offset : {std::uint64_t{500'000}, std::uint64_t{3}, std::uint64_t{9'999},
                                     std::uint64_t{600'000}, std::uint64_t{0}})
    EXPECT_EQ(pread_some(file.get(), 70'000, offset), whole.substr(offset, 70'000)) << offset;
  EXPECT_EQ(pread_some(file.get(), 10, whole.size()), "");
  EXPECT_EQ(pread_some(file.get(), 10, whole.size() + 1'000'000), "");
}

// The exit code of `work` run by somebody who may nothing in particular.
int run_as_nobody(const std::function<int()>& work) {
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(99);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

TEST_F(LiveMountTest, ServesOthersOnlyWhenTheyAreAllowed) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming somebody else takes root";
  const auto can_read = [](const LiveMount& mount) {
    const std::string path = mount.path("app/epochs/7/app.db");
    return run_as_nobody([&] {
      const engine::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file) return errno;
      return pread_some(file.get(), 1000, 5000) == fake_bytes(7, 5000, 1000) ? 0 : 97;
    });
  };
  EXPECT_EQ(can_read(mount_), EACCES);
  const LiveMount open_to_all(repository_, "", true);
  EXPECT_EQ(can_read(open_to_all), 0);
}

TEST_F(LiveMountTest, IsMountedUnderItsSource) {
  const auto place = fs::mounted_at(files::canonical(mount_.path()).string()).value();
  ASSERT_TRUE(place);
  EXPECT_EQ(place->type, "fuse.epochfs");
  EXPECT_EQ(place->source, "/the/source, with a comma");
}

TEST_F(LiveMountTest, OpensNoDatabaseBeforeSomebodyAsks) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(repository_->opened, 0U);
}

TEST(SessionTest, DoesNotMountADatabaseThatIsNotThere) {
  const TempDirectory directory;
  const auto repository = std::make_shared<FakeRepository>();
  const auto session =
      fs::Session::mount(repository, {"source", "missing", directory.path().string(), false});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, engine::Code::kNotFound);
  EXPECT_FALSE(fs::mounted_at(directory.path().string()).value());
}

}  // namespace
}  // namespace epochfs::testing
