// What only a directory can do wrong: links, special files, other processes, failing system calls.
#include "engine/storage/local_storage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/failing_calls.h"
#include "tests/support/socket_file.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

void write_file(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every name in a directory, the hidden ones too.
Names names_in(const std::string& path) {
  Names names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

class LocalStorageTest : public testing::Test {
 protected:
  LocalStorageTest() {
    fs::create_directories(root_ + "/app");
    write_file(outside_, "secret");
  }
  std::string in_root(std::string_view name) const { return root_ + "/" + std::string(name); }

  Result<void> put(std::string_view name, std::string_view text) {
    TRY_ASSIGN(const auto upload, storage_->create(name));
    TRY(upload->append(as_bytes(text)));
    return upload->finish();
  }
  std::string text_of(std::string_view name) const {
    const auto content = storage_->get(name, 1 << 20);
    return content ? std::string(as_text(content->bytes)) : "failed: " + content.error().text;
  }

  TemporaryDirectory directory_;
  std::string root_ = directory_ / "repository";
  std::string outside_ = directory_ / "outside";
  std::shared_ptr<Storage> storage_ = open_local_storage(root_);
};

template <class T>
void expect_code(Code want, const Result<T>& result) {
  ASSERT_FALSE(result) << "succeeded";
  EXPECT_EQ(result.error().code, want) << result.error().text;
}

// --- nothing leads out of the root ---

struct LinkCase {
  const char* name;
  const char* link;    // in the root
  const char* target;  // "OUTSIDE" stands for a file beside the root
  const char* object;  // what is asked for
};
constexpr LinkCase kLinks[] = {
    {"ToAFileInside", "link", "app/real", "link"},
    {"ToAFileOutside", "link", "../outside", "link"},
    {"ToAnAbsolutePath", "app/link", "OUTSIDE", "app/link"},
    {"ToNothing", "link", "nowhere", "link"},
    {"ToItself", "link", "link", "link"},
    {"ThroughADirectory", "link", "app", "link/real"},
    {"ThroughADirectoryOutside", "link", "..", "link/outside"},
    {"ThroughTheRootOfAll", "link", "/", "link/etc/passwd"},
};
class LocalStorageLinks : public LocalStorageTest, public testing::WithParamInterface<LinkCase> {
 protected:
  LocalStorageLinks() {
    write_file(in_root("app/real"), "real");
    const std::string target = GetParam().target;
    fs::create_symlink(target == "OUTSIDE" ? outside_ : target, in_root(GetParam().link));
    before_ = everything();
  }
  ~LocalStorageLinks() override { EXPECT_EQ(everything(), before_) << "something was changed"; }

  // Every path and every content below the test's directory.
  Names everything() const {
    Names all;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      const bool plain = !entry.is_symlink() && entry.is_regular_file();
      all.push_back(entry.path().string() + (plain ? "=" + read_file(entry.path()) : ""));
    }
    std::ranges::sort(all);
    return all;
  }

  Names before_;
};
INSTANTIATE_TEST_SUITE_P(Cases, LocalStorageLinks, testing::ValuesIn(kLinks),
                         [](const auto& link) { return link.param.name; });

TEST_P(LocalStorageLinks, AreNotRead) {
  expect_code(Code::kCorrupt, storage_->open(GetParam().object));
  expect_code(Code::kCorrupt, storage_->stat(GetParam().object));
  expect_code(Code::kCorrupt, storage_->get(GetParam().object, 100));
}

TEST_P(LocalStorageLinks, AreNotListed) {
  for (const char* directory : {"", "app"}) {
    const auto listing = storage_->list(directory);
    ASSERT_TRUE(listing);
    for (const ObjectInfo& object : listing->objects) EXPECT_NE(object.name, "link");
    EXPECT_EQ(std::ranges::count(listing->directories, "link"), 0);
  }
  expect_code(Code::kCorrupt, storage_->list(GetParam().link));
}

TEST_P(LocalStorageLinks, AreNotWrittenThrough) {
  EXPECT_FALSE(put(GetParam().object, "new"));
  EXPECT_FALSE(storage_->replace(GetParam().object, as_bytes("new"), std::nullopt));
  EXPECT_FALSE(storage_->replace(GetParam().object, as_bytes("new"), "version"));
  expect_code(Code::kCorrupt, storage_->lock_writer(GetParam().link, false));
}

TEST_F(LocalStorageTest, MakesEverythingForTheOwnerAlone) {
  const std::string root = directory_ / "new/repository";
  const auto storage = open_local_storage(root);
  const mode_t mask = ::umask(0);
  const auto lock = storage->lock_writer("app", false);
  const auto upload = storage->create("app/data");
  const bool written = upload && (*upload)->append(as_bytes("x")) && (*upload)->finish();
  const auto made = storage->replace("document", as_bytes("1"), std::nullopt);
  const auto first = storage->stat("document");
  const auto replaced =
      storage->replace("document", as_bytes("2"), first ? first->version : std::string());
  ::umask(mask);
  ASSERT_TRUE(lock && written && made && replaced);
  std::size_t seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory_ / "new")) {
    const fs::perms wanted = entry.is_directory() ? fs::perms::owner_all
                                                  : fs::perms::owner_read | fs::perms::owner_write;
    EXPECT_EQ(entry.status().permissions(), wanted) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 4U);
}

TEST_F(LocalStorageTest, RemovesALinkAndNotItsTarget) {
  fs::create_symlink(outside_, in_root("link"));
  ASSERT_TRUE(storage_->remove("link"));
  EXPECT_FALSE(fs::is_symlink(in_root("link")));
  EXPECT_EQ(read_file(outside_), "secret");
}

TEST_F(LocalStorageTest, RemovesNothingThroughALink) {
  fs::create_symlink("..", in_root("link"));
  expect_code(Code::kCorrupt, storage_->remove("link/outside"));
  EXPECT_EQ(read_file(outside_), "secret");
}

TEST_F(LocalStorageTest, DoesNotCreateALockFileThroughALink) {
  fs::create_symlink("../../created", in_root("app/.lock"));
  expect_code(Code::kCorrupt, storage_->lock_writer("app", true));
  EXPECT_FALSE(fs::exists(directory_ / "created"));
}

TEST_F(LocalStorageTest, FollowsLinksOnTheWayToTheRoot) {
  write_file(in_root("data"), "x");
  fs::create_symlink(root_, directory_ / "link");
  EXPECT_TRUE(open_local_storage(directory_ / "link")->open("data"));
}

// --- what is no regular file ---

TEST_F(LocalStorageTest, RefusesAFifoWithoutWaiting) {
  ASSERT_EQ(::mkfifo(in_root("fifo").c_str(), 0666), 0);
  expect_code(Code::kCorrupt, storage_->open("fifo"));
  expect_code(Code::kCorrupt, storage_->stat("fifo"));
  EXPECT_TRUE(storage_->list("")->objects.empty());
}

TEST_F(LocalStorageTest, RefusesAFifoInPlaceOfTheLock) {
  ASSERT_EQ(::mkfifo(in_root(".lock").c_str(), 0666), 0);
  expect_code(Code::kCorrupt, storage_->lock_writer("", true));
}

TEST_F(LocalStorageTest, RefusesASocket) {
  ASSERT_TRUE(epochfs::test::make_socket_file(in_root("socket")));
  expect_code(Code::kCorrupt, storage_->open("socket"));
  expect_code(Code::kCorrupt, storage_->stat("socket"));
  EXPECT_TRUE(storage_->list("")->objects.empty());
}

TEST_F(LocalStorageTest, RefusesADevice) {
  const auto devices = open_local_storage("/dev");
  expect_code(Code::kCorrupt, devices->open("zero"));
  expect_code(Code::kCorrupt, devices->get("null", 100));
  const auto listing = devices->list("");
  ASSERT_TRUE(listing);
  for (const ObjectInfo& object : listing->objects) EXPECT_NE(object.name, "null");
}

TEST_F(LocalStorageTest, RefusesToRemoveADirectory) {
  expect_code(Code::kIo, storage_->remove("app"));
  EXPECT_TRUE(fs::exists(in_root("app")));
}

TEST_F(LocalStorageTest, ListsOnlyNamesThatCanBeAskedFor) {
  for (const char* name : {".lock", ".tmp-1", ".hidden", "line\nbreak", "back\\slash", "plain"})
    write_file(in_root(name), "x");
  fs::create_directory(in_root(".git"));
  const auto listing = storage_->list("");
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->directories, Names({"app"}));
  ASSERT_EQ(listing->objects.size(), 1U);
  EXPECT_EQ(listing->objects[0].name, "plain");
}

TEST_F(LocalStorageTest, FindsNothingWhereTheRootIsAFile) {
  const auto storage = open_local_storage(outside_);
  expect_code(Code::kNotFound, storage->open("data"));
  expect_code(Code::kNotFound, storage->list(""));
  EXPECT_FALSE(storage->create("data"));
}

// --- files that change under an open blob ---

TEST_F(LocalStorageTest, ReportsAFileThatShrank) {
  ASSERT_TRUE(put("data", std::string(100'000, 'x')));
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  fs::resize_file(in_root("data"), 10);
  Bytes bytes(100'000);
  expect_code(Code::kIo, (*blob)->read(0, bytes));
  expect_code(Code::kIo, (*blob)->read(10, MutableByteView(bytes).first(1)));
  EXPECT_TRUE((*blob)->read(0, MutableByteView(bytes).first(10)));
}

TEST_F(LocalStorageTest, GivesAFileChangedInPlaceAnotherVersion) {
  ASSERT_TRUE(put("data", "before"));
  const auto before = storage_->stat("data");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the kernel's clock is coarse
  write_file(in_root("data"), "after.");
  const auto after = storage_->stat("data");
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->size_bytes, after->size_bytes);
  EXPECT_NE(before->version, after->version);
}

TEST_F(LocalStorageTest, FindsARepositoryThatWasMovedAwayAndBack) {
  ASSERT_TRUE(put("app/data", "content"));
  const auto blob = storage_->open("app/data");
  ASSERT_TRUE(blob);
  fs::rename(root_, directory_ / "elsewhere");
  expect_code(Code::kNotFound, storage_->open("app/data"));
  expect_code(Code::kNotFound, storage_->list(""));
  Bytes bytes(7);
  ASSERT_TRUE((*blob)->read(0, bytes));
  EXPECT_EQ(as_text(bytes), "content");
  fs::rename(directory_ / "elsewhere", root_);
  EXPECT_EQ(text_of("app/data"), "content");
}

// --- permissions, paths ---

// Files are looked at as an ordinary user would, on this thread.
class AsNobody {
 public:
  AsNobody() {
    if (::geteuid() != 0) return;
    ::setfsgid(65534);
    ::setfsuid(65534);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
  }
};

TEST_F(LocalStorageTest, ReadsWhereNothingMayBeWritten) {
  ASSERT_TRUE(put("app/data", "content"));
  ::chmod(directory_.path().c_str(), 0755);
  ::chmod(in_root("app/data").c_str(), 0444);
  for (const std::string& path : {in_root("app"), root_}) ::chmod(path.c_str(), 0555);
  {
    const AsNobody ordinary_user;
    EXPECT_EQ(text_of("app/data"), "content");
    EXPECT_TRUE(storage_->stat("app/data"));
    ASSERT_TRUE(storage_->list("app"));
    EXPECT_EQ(storage_->list("app")->objects.size(), 1U);
    expect_code(Code::kIo, storage_->create("app/new"));
    expect_code(Code::kIo, storage_->create("new/new"));
    expect_code(Code::kIo, storage_->replace("app/data", {}, storage_->stat("app/data")->version));
    expect_code(Code::kIo, storage_->lock_writer("app", false));
    expect_code(Code::kIo, storage_->remove("app/data"));
  }
  EXPECT_EQ(names_in(root_), Names({"app"}));
  EXPECT_EQ(names_in(in_root("app")), Names({"data"}));
  for (const std::string& path : {in_root("app"), root_}) ::chmod(path.c_str(), 0755);
}

TEST_F(LocalStorageTest, ReportsWhatItMayNotRead) {
  ASSERT_TRUE(put("data", "content"));
  ::chmod(directory_.path().c_str(), 0755);
  ::chmod(in_root("data").c_str(), 0);
  const AsNobody ordinary_user;
  expect_code(Code::kIo, storage_->open("data"));
  EXPECT_EQ(storage_->open("data").error().system_errno, EACCES);
}

TEST_F(LocalStorageTest, CreatesTheRootAndItsParents) {
  const std::string root = directory_ / "a/b/c";
  const auto storage = open_local_storage(root + "//");
  ASSERT_TRUE(storage->replace("d/e/data", as_bytes("x"), std::nullopt));
  EXPECT_EQ(read_file(root + "/d/e/data"), "x");
  EXPECT_EQ(storage->location(), root);
}

TEST_F(LocalStorageTest, KeepsItsPlaceWhenTheProcessMovesOn) {
  write_file(in_root("data"), "x");
  const fs::path before = fs::current_path();
  fs::current_path(directory_.path());
  const auto storage = open_local_storage("repository");
  fs::current_path("/");
  EXPECT_TRUE(storage->open("data"));
  EXPECT_EQ(storage->location(), root_);
  fs::current_path(before);
}

// --- half-written files ---

TEST_F(LocalStorageTest, HasNoNameForAFileBeforeItIsComplete) {
  const auto upload = storage_->create("app/data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("half")));
  EXPECT_EQ(names_in(in_root("app")), Names());
  ASSERT_TRUE((*upload)->finish());
  EXPECT_EQ(names_in(in_root("app")), Names({"data"}));
}

const FailingCall kNoUnnamedFiles = {SYS_openat, EOPNOTSUPP, O_TMPFILE & ~O_DIRECTORY, 2};
const FailingCall kNoProc = {SYS_faccessat, ENOENT};
const FailingCall kNoExclusiveRename = {SYS_renameat2, EINVAL};

struct Filesystem {
  const char* name;
  std::vector<FailingCall> lacks;
};
const Filesystem kFilesystems[] = {
    {"WithoutUnnamedFiles", {kNoUnnamedFiles}},
    {"WithoutUnnamedFilesAndExclusiveRename", {kNoUnnamedFiles, kNoExclusiveRename}},
    {"WithoutProc", {kNoProc}},
    {"WithoutTimes", {{SYS_utimensat, ENOSYS}}},
    {"WithoutLocksOnDirectories", {{SYS_flock, EBADF}}},
};
class LocalStorageFilesystems : public LocalStorageTest,
                                public testing::WithParamInterface<Filesystem> {};
INSTANTIATE_TEST_SUITE_P(Cases, LocalStorageFilesystems, testing::ValuesIn(kFilesystems),
                         [](const auto& filesystem) { return filesystem.param.name; });

TEST_P(LocalStorageFilesystems, StillGetWholeObjectsOrNone) {
  with_failing_calls(GetParam().lacks, [&] {
    {
      const auto abandoned = storage_->create("app/data");
      ASSERT_TRUE(abandoned);
      ASSERT_TRUE((*abandoned)->append(as_bytes("half")));
      EXPECT_TRUE(storage_->list("app")->objects.empty());
    }
    EXPECT_EQ(names_in(in_root("app")), Names());
    ASSERT_TRUE(put("app/data", "first"));
    expect_code(Code::kExists, put("app/data", "second"));
    EXPECT_EQ(text_of("app/data"), "first");
    expect_code(Code::kLocked, storage_->replace("app/data", as_bytes("third"), std::nullopt));
    ASSERT_TRUE(
        storage_->replace("app/data", as_bytes("third"), storage_->stat("app/data")->version));
    EXPECT_EQ(text_of("app/data"), "third");
    ASSERT_TRUE(storage_->replace("app/new", as_bytes("new"), std::nullopt));
    EXPECT_EQ(names_in(in_root("app")), Names({"data", "new"}));
  });
}

TEST_F(LocalStorageTest, ShowsATemporaryFileToNobody) {
  with_failing_calls({kNoUnnamedFiles}, [&] {
    const auto upload = storage_->create("app/data");
    ASSERT_TRUE(upload);
    ASSERT_EQ(names_in(in_root("app")).size(), 1U);
    EXPECT_TRUE(names_in(in_root("app"))[0].starts_with(".tmp-"));
    EXPECT_TRUE(storage_->list("app")->objects.empty());
  });
}

// --- failing calls ---

struct FailureCase {
  const char* name;
  FailingCall call;
  Code want;
};
const FailureCase kFailures[] = {
    {"Write", {SYS_write, EIO}, Code::kIo},
    {"WriteToAFullDisk", {SYS_write, ENOSPC}, Code::kNoSpace},
    {"WriteOverQuota", {SYS_write, EDQUOT}, Code::kNoSpace},
    {"Sync", {SYS_fsync, EIO}, Code::kIo},
    {"SyncToAFullDisk", {SYS_fsync, ENOSPC}, Code::kNoSpace},
};
class LocalStorageFailures : public LocalStorageTest,
                             public testing::WithParamInterface<FailureCase> {
 protected:
  void SetUp() override { ASSERT_TRUE(put("app/old", "old")); }
  void TearDown() override {
    EXPECT_EQ(names_in(in_root("app")), Names({"old"}));
    EXPECT_EQ(text_of("app/old"), "old");
  }
};
INSTANTIATE_TEST_SUITE_P(Cases, LocalStorageFailures, testing::ValuesIn(kFailures),
                         [](const auto& failure) { return failure.param.name; });

TEST_P(LocalStorageFailures, LeaveNothingOfANewObject) {
  with_failing_calls({GetParam().call},
                     [&] { expect_code(GetParam().want, put("app/new", "new")); });
}

TEST_P(LocalStorageFailures, LeaveNothingOfANewNamedObject) {
  with_failing_calls({kNoUnnamedFiles, GetParam().call},
                     [&] { expect_code(GetParam().want, put("app/new", "new")); });
}

TEST_P(LocalStorageFailures, LeaveTheOldContent) {
  const std::string version = storage_->stat("app/old")->version;
  with_failing_calls({GetParam().call}, [&] {
    expect_code(GetParam().want, storage_->replace("app/old", as_bytes("new"), version));
    expect_code(GetParam().want, storage_->replace("app/new", as_bytes("new"), std::nullopt));
  });
}

TEST_F(LocalStorageTest, LeavesNothingWhenAFileCannotGetItsName) {
  for (const int call : {SYS_linkat, SYS_renameat2}) {
    with_failing_calls({{call, ENOSPC}, {SYS_renameat, ENOSPC}}, [&] {
      if (call == SYS_linkat) expect_code(Code::kNoSpace, put("app/new", "new"));
      if (call == SYS_renameat2)
        expect_code(Code::kNoSpace, storage_->replace("app/new", as_bytes("new"), std::nullopt));
    });
  }
  ASSERT_TRUE(put("app/old", "old"));
  const std::string version = storage_->stat("app/old")->version;
  with_failing_calls({{SYS_renameat, EIO}}, [&] {
    expect_code(Code::kIo, storage_->replace("app/old", as_bytes("new"), version));
  });
  EXPECT_EQ(names_in(in_root("app")), Names({"old"}));
  EXPECT_EQ(text_of("app/old"), "old");
}

TEST_F(LocalStorageTest, FailsToCreateDirectoriesThatCannotBeMadeDurable) {
  with_failing_calls({{SYS_fsync, EIO}}, [&] {
    expect_code(Code::kIo, storage_->create("new/data"));
    expect_code(Code::kIo, open_local_storage(directory_ / "other/root")->create("data"));
  });
}

// No file may grow beyond `bytes`, so that a write ends short and the next one fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limited{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit before_{};
};

TEST_F(LocalStorageTest, NeverFinishesAnUploadThatMissedBytes) {
  const auto upload = storage_->create("app/data");
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->append(as_bytes("begin")));
  {
    const FileSizeLimit limit(100);
    expect_code(Code::kIo, (*upload)->append(as_bytes(std::string(300, 'x'))));
  }
  EXPECT_FALSE((*upload)->append(as_bytes("end")));
  EXPECT_FALSE((*upload)->finish());
  EXPECT_EQ(names_in(in_root("app")), Names());
}

TEST_F(LocalStorageTest, ReportsAReadThatFails) {
  ASSERT_TRUE(put("data", "content"));
  const auto blob = storage_->open("data");
  ASSERT_TRUE(blob);
  with_failing_calls({{SYS_pread64, EIO}}, [&] {
    Bytes bytes(7);
    expect_code(Code::kIo, (*blob)->read(0, bytes));
    expect_code(Code::kIo, storage_->get("data", 7));
  });
}

TEST_F(LocalStorageTest, ReportsAListingThatFails) {
  ASSERT_TRUE(put("app/data", "content"));
  for (const int call : {SYS_getdents64, SYS_newfstatat})
    with_failing_calls({{call, EIO}}, [&] { expect_code(Code::kIo, storage_->list("app")); });
}

// --- writers ---

// Another process that takes the lock of "app" and keeps it until it is killed.
class LockedByAnotherProcess {
 public:
  explicit LockedByAnotherProcess(Storage& storage) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const auto lock = storage.lock_writer("app", false);
      static_cast<void>(::write(ends[1], lock ? "+" : "-", 1));
      for (;;) ::pause();
    }
    char taken = '-';
    EXPECT_EQ(::read(ends[0], &taken, 1), 1);
    EXPECT_EQ(taken, '+');
    ::close(ends[0]);
    ::close(ends[1]);
  }
  LockedByAnotherProcess(const LockedByAnotherProcess&) = delete;
  LockedByAnotherProcess& operator=(const LockedByAnotherProcess&) = delete;
  ~LockedByAnotherProcess() { kill(); }

  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
};

TEST_F(LocalStorageTest, ExcludesTheWriterOfAnotherProcess) {
  LockedByAnotherProcess other(*storage_);
  expect_code(Code::kLocked, storage_->lock_writer("app", false));
  other.kill();
  EXPECT_TRUE(storage_->lock_writer("app", false)) << "a dead writer needs no human";
}

TEST_F(LocalStorageTest, GetsTheLockItWaitsForWhenTheHolderDies) {
  LockedByAnotherProcess other(*storage_);
  std::atomic<bool> killed = false;
  std::thread waiter([&] {
    EXPECT_TRUE(storage_->lock_writer("app", true));
    EXPECT_TRUE(killed);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  killed = true;
  other.kill();
  waiter.join();
}

TEST_F(LocalStorageTest, ReleasesALockThatAChildInherited) {
  auto lock = storage_->lock_writer("app", false);
  ASSERT_TRUE(lock);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  lock->reset();
  EXPECT_TRUE(storage_->lock_writer("app", false));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(LocalStorageTest, HoldsTheLockFileThatIsThereNow) {
  auto first = storage_->lock_writer("app", false);
  ASSERT_TRUE(first);
  std::atomic<bool> go_on = false;
  std::atomic<bool> locked = false;
  std::thread waiter([&] {
    const auto second = storage_->lock_writer("app", true);
    EXPECT_TRUE(second);
    locked = true;
    locked.notify_all();
    go_on.wait(false);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // now it most likely waits
  fs::remove(in_root("app/.lock"));
  first->reset();
  locked.wait(false);
  expect_code(Code::kLocked, storage_->lock_writer("app", false));
  go_on = true;
  go_on.notify_all();
  waiter.join();
}

TEST_F(LocalStorageTest, ClearsAwayWhatADeadWriterLeft) {
  ASSERT_TRUE(put("app/data", "x"));
  write_file(in_root("app/.tmp-1-2"), "half");
  write_file(in_root("app/.other"), "not ours");
  write_file(in_root(".tmp-3"), "of the root");
  fs::create_symlink(outside_, in_root("app/.tmp-link"));
  fs::create_directory(in_root("app/.tmp-directory"));
  ASSERT_TRUE(storage_->lock_writer("app", false));
  EXPECT_EQ(names_in(in_root("app")), Names({".lock", ".other", ".tmp-directory", "data"}));
  EXPECT_TRUE(fs::exists(in_root(".tmp-3")));
  EXPECT_EQ(read_file(outside_), "secret");
}

TEST_F(LocalStorageTest, ClearsNothingWhileAnotherWriterIsAtWork) {
  const auto lock = storage_->lock_writer("app", false);
  ASSERT_TRUE(lock);
  with_failing_calls({kNoUnnamedFiles}, [&] {
    const auto upload = storage_->create("app/data");
    ASSERT_TRUE(upload);
    expect_code(Code::kLocked, storage_->lock_writer("app", false));
    EXPECT_TRUE((*upload)->finish());
  });
}

TEST_F(LocalStorageTest, LeavesOnlyTheLockFileBehind) {
  ASSERT_TRUE(storage_->lock_writer("new", false));
  EXPECT_EQ(names_in(in_root("new")), Names({".lock"}));
}

}  // namespace
}  // namespace epochfs::engine
