// The index in the cache directory, damaged, replaced, taken away or without room: what is given is
// right, or the command says why it gives nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <vector>

#include "tests/mount/mounted_repository.h"
#include "tests/proof/damage_cases.h"
#include "tests/support/live_database.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kIndexPage = 4096;
constexpr std::size_t kCutPages = one_of_many_under_sanitizers(4);
// In a page of LMDB's: its number, flags, bounds, places of items; size of the map and of a page in
// the first ones; and items, which grow from its end.
constexpr std::size_t kFlippedPlaces[] = {0,  3,  10, 12, 13,   14,   15,   16,   17,   18,   20,
                                          24, 38, 42, 43, 3000, 3600, 3900, 4000, 4040, 4080, 4095};
// Before main() it has done nothing yet.
constexpr int kMillisecondsBetweenKills = static_cast<int>(one_of_many_under_sanitizers(40));
constexpr int kKills = 20 / static_cast<int>(one_of_many_under_sanitizers(4));
// One of so many bits.
constexpr std::size_t kFlippedBits = 61 * one_of_many_under_sanitizers(20);
constexpr int kSignal = 128;  // exit codes from here on: a signal ended it

class IndexTroubleTest : public MountedRepositoryTest {
 protected:
  void SetUp() override { fs::permissions(path(""), fs::perms(0755)); }

  // Built by a command.
  std::string index_file() {
    expect_right("the first");
    for (const auto& entry : fs::directory_iterator(path("cache")))
      if (entry.is_directory()) return entry.path().string() + "/index.lmdb";
    ADD_FAILURE() << "no index";
    return "";
  }

  // Right bytes, or none and a reason.
  ProcessResult restore() {
    fs::remove(path("out"));
    ProcessResult result = epochfs({"restore", repository() + "#c000@3", path("out")});
    EXPECT_LT(result.exit_code, kSignal) << result.err;
    EXPECT_FALSE(result.timed_out);
    if (result.exit_code == 0) {
      EXPECT_TRUE(file_bytes(path("out")) == specimen_.epochs.at(3).contents[0]) << "wrong bytes";
    } else {
      EXPECT_FALSE(result.err.empty());
      EXPECT_FALSE(fs::exists(path("out")));
    }
    return result;
  }
  void expect_right(const std::string& what) { EXPECT_EQ(restore().exit_code, 0) << what; }

  const Specimen specimen_ = make_sqlite_specimen(4096);
  const Copies copies_{specimen_, repository(), 1};
};

TEST_F(IndexTroubleTest, IsBuiltAgainWhenItWasCut) {
  const std::string file = index_file();
  const std::string good = file_bytes(file);
  for (std::size_t size = first_sample(kCutPages) * kIndexPage; size < good.size();
       size += kCutPages * kIndexPage) {
    for (const std::size_t cut : {size, size + 1, size + 2000}) {
      write_file(file, good.substr(0, cut));
      expect_right(fmt::format("cut to {}", cut));
    }
  }
}

TEST_F(IndexTroubleTest, GivesNoWrongByteWhenItsBitsFlip) {
  const std::string file = index_file();
  const std::string good = file_bytes(file);
  std::size_t right = 0;
  std::size_t ends_by_fault = 0;
  std::vector<std::size_t> places(std::begin(kFlippedPlaces), std::end(kFlippedPlaces));
  places.push_back(first_sample(kIndexPage));
  for (std::size_t page = 0; page < good.size(); page += kIndexPage) {
    for (const std::size_t at : places) {
      std::string bad = good;
      char& byte = bad.at(page + at);
      byte = static_cast<char>(byte ^ 0x04);
      write_file(file, bad);
      SCOPED_TRACE(fmt::format("byte {} of page {}", at, page / kIndexPage));
      const ProcessResult result = restore();
      right += result.exit_code == 0 ? 1 : 0;
      ends_by_fault += result.err.find("is damaged and was removed") != std::string::npos ? 1 : 0;
    }
  }
  EXPECT_GT(right, 0U);
  EXPECT_GT(ends_by_fault, 0U) << "LMDB found everything by itself?";
  write_file(file, good);
  expect_right("mended");
}

// Any bit, and all that the index is asked for: listings, facts, and every byte of every epoch.
class FlippedIndexTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  enum Look { kRight, kReason, kWrong };

  [[nodiscard]] Look look() const {
    const auto repository = engine::Repository::open({place_, directory_ / "cache"});
    if (!repository) return kReason;
    const auto database = (*repository)->database("c000");
    if (!database) return kReason;
    const auto timeline = (*database)->timeline();
    if (!timeline) return kReason;
    const auto listed = (*timeline)->list(engine::Epoch(), 2 * specimen_.epochs.size());
    if (!listed) return kReason;
    Look found = listed->size() == specimen_.epochs.size() ? kRight : kWrong;
    for (const engine::native::EpochFacts& facts : *listed) {
      const auto expected = specimen_.epochs.find(facts.epoch.get());
      if (expected == specimen_.epochs.end() || !(facts == expected->second.facts)) return kWrong;
      const auto files = files_of(**database, facts.epoch);
      if (!files && found == kRight) found = kReason;
      if (files && *files != expected->second.files) return kWrong;
    }
    return found;
  }
  // In a process of its own: a fault ends it.
  [[nodiscard]] int look_apart() const {
    const pid_t child = ::fork();
    if (child == 0) {
      constexpr unsigned kSecondsMax = 60;
      ::alarm(kSecondsMax);
      static_cast<void>(std::freopen("/dev/null", "w", stderr));
      ::_exit(look());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kSignal + WTERMSIG(status);
  }

  const TemporaryDirectory directory_;
  const std::string place_ = directory_ / "repository";
  const Specimen specimen_ = make_sqlite_specimen(GetParam());
  const Copies copies_{specimen_, place_, 1};
};

TEST_P(FlippedIndexTest, GivesWhatIsRightOrAReason) {
  ASSERT_EQ(look_apart(), kRight);
  std::string file;
  for (const auto& entry : fs::directory_iterator(directory_ / "cache"))
    if (entry.is_directory()) file = entry.path().string() + "/index.lmdb";
  const std::string good = file_bytes(file);
  // Where nothing is stored for some bytes, nothing is read.
  std::vector<std::size_t> bits;
  for (std::size_t at = 0; at < good.size(); ++at) {
    const std::size_t begin = at - std::min<std::size_t>(at, 8);
    if (good.substr(begin, 16).find_first_not_of('\0') == std::string::npos) continue;
    for (std::size_t bit = 0; bit < 8; ++bit) bits.push_back(8 * at + bit);
  }
  std::map<int, std::size_t> counted;
  for (std::size_t i = first_sample(kFlippedBits); i < bits.size(); i += kFlippedBits) {
    std::string bad = good;
    char& byte = bad.at(bits[i] / 8);
    byte = static_cast<char>(byte ^ (1U << bits[i] % 8));
    fs::remove(file + "-lock");
    write_file(file, bad);
    const int found = look_apart();
    ++counted[found];
    EXPECT_TRUE(found == kRight || found == kReason)
        << "bit " << bits[i] % 8 << " of byte " << bits[i] / 8 << ": " << found;
  }
  EXPECT_GT(counted[kRight], 0U);
  EXPECT_GT(counted[kReason], 0U);
}

INSTANTIATE_TEST_SUITE_P(OfPages, FlippedIndexTest, testing::Values(512, 4096));

TEST_F(IndexTroubleTest, IsBuiltAgainWhenSomethingElseIsInItsPlace) {
  const std::string file = index_file();
  const std::string outside = path("outside");
  const auto in_place = [&](const std::string& what, const std::function<void()>& put) {
    fs::remove_all(file);
    fs::remove_all(file + "-lock");
    put();
    SCOPED_TRACE(what);
    restore();
    fs::remove_all(file);
    expect_right(what + " is gone");
  };
  in_place("nothing", [] {});
  in_place("a directory", [&] { fs::create_directory(file); });
  in_place("a FIFO", [&] { ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0); });
  in_place("a link to nowhere", [&] { fs::create_symlink(path("nowhere"), file); });
  in_place("a link to itself", [&] { fs::create_symlink(file, file); });
  in_place("text", [&] { write_file(file, std::string(100'000, 't')); });
  in_place("zeros", [&] { write_file(file, std::string(100'000, '\0')); });
  write_file(outside, "not ours");
  in_place("a link to a file", [&] { fs::create_symlink(outside, file); });
  EXPECT_EQ(file_bytes(outside), "not ours");
  in_place("a directory as its lock", [&] { fs::create_directory(file + "-lock"); });
  fs::remove_all(file + "-lock");
  expect_right("mended");
}

TEST_F(IndexTroubleTest, MayBeDeletedUnderAMount) {
  mount();
  const std::string epoch = mountpoint() + "/c000/epochs/3/" + specimen_.epochs.at(3).files[0].path;
  EXPECT_TRUE(file_bytes(epoch) == specimen_.epochs.at(3).contents[0]);
  fs::remove_all(path("cache"));
  for (const auto& [number, expected] : specimen_.epochs) {
    const std::string directory = mountpoint() + fmt::format("/c000/epochs/{}/", number);
    EXPECT_TRUE(file_bytes(directory + expected.files[0].path) == expected.contents[0]) << number;
  }
  expect_right("beside the mount");
}

// The kernel has no bytes for a map whose file was cut.
TEST_F(IndexTroubleTest, EndsAMountWithAReasonWhenItIsCutUnderIt) {
  const std::string file = index_file();
  mount();
  fs::resize_file(file, kIndexPage);
  std::error_code error;
  EXPECT_FALSE(fs::exists(mountpoint() + "/c000/epochs/3", error));
  EXPECT_TRUE(error) << "it is still served";
  const std::string log = fs::path(file).replace_filename("mount.log");
  EXPECT_NE(file_bytes(log).find("is damaged and was removed"), std::string::npos);
  unmount();
  mount();
  const std::string epoch = mountpoint() + "/c000/epochs/3/" + specimen_.epochs.at(3).files[0].path;
  EXPECT_TRUE(file_bytes(epoch) == specimen_.epochs.at(3).contents[0]);
}

TEST_F(IndexTroubleTest, SaysSoWhereNothingCanBeWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  fs::create_directory(path("cache"));
  fs::permissions(path("cache"), fs::perms(0755));
  fs::permissions(repository(), fs::perms(0755));
  fs::permissions(repository() + "/c000", fs::perms(0755));
  const ProcessResult result =
      run(joined(as_nobody(),
                 {EPOCHFS_COMMAND, "log", repository() + "#c000", "--cache-dir", path("cache")}),
          environment());
  EXPECT_GT(result.exit_code, 0);
  EXPECT_LT(result.exit_code, kSignal);
  EXPECT_NE(result.err.find(path("cache")), std::string::npos) << result.err;
}

TEST_F(IndexTroubleTest, SaysSoWhereThereIsNoRoom) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small filesystem";
  fs::create_directory(path("cache"));
  for (const int kib : {4, 16, 64, 96, 128, 160, 192, 256}) {
    const std::string size = fmt::format("size={}k", kib);
    ASSERT_EQ(::mount("tmpfs", path("cache").c_str(), "tmpfs", 0, size.c_str()), 0);
    SCOPED_TRACE(size);
    restore();
    ASSERT_EQ(::umount(path("cache").c_str()), 0);
  }
  expect_right("with room");
}

TEST_F(IndexTroubleTest, IsSoundAfterItsBuilderWasKilled) {
  for (int i = 0; i < kKills; ++i) {
    const int time = i * kMillisecondsBetweenKills;
    fs::remove_all(path("cache"));
    {
      Process victim({EPOCHFS_COMMAND, "log", repository() + "#c000"}, environment());
      victim.ends_within(std::chrono::milliseconds(time));
      victim.signal(SIGKILL);
      victim.wait();
    }
    expect_right(fmt::format("killed after {} ms", time));
  }
}

}  // namespace
}  // namespace epochfs::test
