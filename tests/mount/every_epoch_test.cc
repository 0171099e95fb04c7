// Real histories, made by SQLite itself: every epoch in a real mount against what a reader saw.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/mount/mounted_repository.h"
#include "tests/support/samples.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

using Moments = std::vector<SqliteHistory::Moment>;

constexpr const char* kFacts =
    "PRAGMA integrity_check; SELECT count(*) || ' ' || sum(step) FROM ledger";

class EveryEpochTest : public MountedRepositoryTest {
 protected:
  // Epoch `names[i]` is moments[i], byte for byte, and by name, size and restore.
  void expect_epochs(const std::vector<std::string>& names, const Moments& moments) const {
    ASSERT_EQ(names.size(), moments.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      SCOPED_TRACE(fmt::format("epoch {}, transaction {}", names[i], moments[i].step));
      expect_image(epoch_file(names[i]), moments[i].image);
    }
  }

  // In each of the ways in which people open a database; `user` is a prefix of the command.
  void expect_opens(const std::vector<std::string>& user, const std::string& epoch,
                    const SqliteHistory::Moment& moment) const {
    for (const auto& way : ways_to_open(epoch_file(epoch)))
      expect_answer(joined(user, way), kFacts,
                    fmt::format("ok\n{} {}\n", moment.rows, moment.step_sum));
  }
};

struct HistoryCase {
  const char* name;
  SqliteHistoryOptions options;
};
void PrintTo(const HistoryCase& history, std::ostream* out) { *out << history.name; }

constexpr std::uint64_t kSeed = 20261120;

class EveryEpochOfAWalHistoryTest : public EveryEpochTest,
                                    public testing::WithParamInterface<HistoryCase> {};

TEST_P(EveryEpochOfAWalHistoryTest, IsWhatAReaderOfThatMomentSaw) {
  SqliteHistory history(database(), 400, GetParam().options);
  backup();
  history.commit(5);
  backup();
  backup();  // nothing new
  history.commit(3);
  history.checkpoint();  // the next commit restarts the log; its old end holds those three
  history.commit(4);
  backup();
  mount();
  expect_epochs(epochs(), history.moments());
}

INSTANTIATE_TEST_SUITE_P(PageSizes, EveryEpochOfAWalHistoryTest,
                         testing::Values(HistoryCase{"Of512", {512, "WAL", kSeed}},
                                         HistoryCase{"Of4096", {4096, "WAL", kSeed}},
                                         HistoryCase{"Of65536", {65536, "WAL", kSeed}}),
                         [](const auto& row) { return std::string(row.param.name); });

class EveryBackupWithAJournalTest : public EveryEpochTest,
                                    public testing::WithParamInterface<HistoryCase> {};

TEST_P(EveryBackupWithAJournalTest, IsOneEpochThatAReaderSaw) {
  SqliteHistory history(database(), 400, GetParam().options);
  Moments backed_up;
  for (int round = 0; round < 4; ++round) {
    history.commit(3);
    backup();
    backed_up.push_back(history.moments().back());
  }
  mount();
  expect_epochs(epochs(), backed_up);
  EXPECT_FALSE(std::filesystem::exists(epoch_file(epochs().front()) + "-wal"));
}

INSTANTIATE_TEST_SUITE_P(Modes, EveryBackupWithAJournalTest,
                         testing::Values(HistoryCase{"Delete", {4096, "DELETE", kSeed}},
                                         HistoryCase{"Truncate", {1024, "TRUNCATE", kSeed}},
                                         HistoryCase{"Persist", {8192, "PERSIST", kSeed}}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(EveryEpochTest, OpensWithPlainSqliteInEveryWay) {
  SqliteHistory history(database(), 400);
  backup();
  history.commit(6);
  backup();
  mount();
  const std::vector<std::string> names = epochs();
  ASSERT_EQ(names.size(), history.moments().size());
  for (std::size_t i = 0; i < names.size(); ++i) expect_opens({}, names[i], history.moments()[i]);
}

// It goes step by step, and begins again when the database seems to have changed meanwhile.
TEST_F(EveryEpochTest, IsCopiedBySqlitesOnlineBackup) {
  constexpr int kRowsOfManySteps = 4000;
  const SqliteHistory history(database(), kRowsOfManySteps);
  backup();
  mount();
  const std::string file = epoch_file(epochs().front());
  int number = 0;
  for (const std::vector<std::string>& way : ways_to_open(file)) {
    const std::string copy = path("copy-" + std::to_string(++number));
    expect_answer(way, ".backup " + copy, "");
    expect_answer({"sqlite3", copy}, "PRAGMA integrity_check", "ok\n");
    expect_answer({"sqlite3", copy}, ".sha3sum", run({"sqlite3", file, ".sha3sum"}).out);
  }
}

class EpochsAsSourcesTest : public EveryEpochTest,
                            public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(JournalModes, EpochsAsSourcesTest, testing::Values("WAL", "DELETE"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EpochsAsSourcesTest, AreBackedUpFromTheMountWithoutACopy) {
  SqliteHistory history(database(), 400, {.journal_mode = GetParam()});
  backup();
  for (int i = 0; i < 3; ++i) {
    history.commit();
    backup();
  }
  mount();
  ASSERT_EQ(epochs().size(), 4U);
  ProcessOptions options = environment();
  options.environment["TMPDIR"] = path("there-is-none");
  const std::string again = path("again");
  for (const std::string& name : epochs()) {
    const ProcessResult result = run({EPOCHFS_COMMAND, "backup", epoch_file(name), again}, options);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  const std::string restored = path("restored.db");
  ASSERT_EQ(epochfs({"restore", again + "@latest", restored}).exit_code, 0);
  expect_image(restored, history.moments().back().image);
}

TEST_F(EveryEpochTest, OpensForAnotherUserWhenAllowed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  SqliteHistory history(database(), 400);
  backup();
  history.commit(4);
  backup();
  mount({"-o", "allow_other"});
  const std::vector<std::string> names = epochs();
  ASSERT_EQ(names.size(), history.moments().size());
  for (std::size_t i = 0; i < names.size(); ++i)
    expect_opens(as_nobody(), names[i], history.moments()[i]);
}

TEST_F(EveryEpochTest, IsClosedToOtherUsersOtherwise) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const SqliteHistory history(database(), 10);
  backup();
  mount();
  const ProcessResult result = run(joined(as_nobody(), {"ls", mountpoint()}));
  EXPECT_NE(result.exit_code, 0) << result.out;
}

TEST_F(EveryEpochTest, IsOneTransactionOfAWriterThatNeverStopped) {
  SqliteHistory history(database(), 200);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) {
      history.commit();
      std::this_thread::sleep_for(std::chrono::milliseconds(5 * one_of_many_under_sanitizers(5)));
    }
  });
  for (int round = 0; round < 5; ++round) {
    backup();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  stop = true;
  writer.join();
  backup();
  mount();

  // The first full catches the writer at some transaction; from there on none is missing.
  std::map<std::string, std::uint64_t> step_of_image;
  for (const SqliteHistory::Moment& moment : history.moments())
    step_of_image[moment.image] = moment.step;
  const std::vector<std::string> names = epochs();
  const auto first = step_of_image.find(read_file(epoch_file(names.front())));
  ASSERT_NE(first, step_of_image.end()) << "the first epoch is a state that never was";
  const auto skipped = static_cast<std::ptrdiff_t>(first->second) - 1;
  expect_epochs(names, Moments(history.moments().begin() + skipped, history.moments().end()));
}

TEST_F(EveryEpochTest, ComesOutTheSameByCpAndByRestore) {
  SqliteHistory history(database(), 400);
  backup();
  history.commit(3);
  backup();
  mount();
  const std::vector<std::string> names = epochs();
  ASSERT_EQ(names.size(), history.moments().size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    const std::string copied = path("copied-" + names[i]);
    const std::string restored = path("restored-" + names[i]);
    ASSERT_EQ(run({"cp", "-p", epoch_file(names[i]), copied}).exit_code, 0);
    const std::string selector = "@" + std::to_string(std::stoull(names[i]));
    ASSERT_EQ(epochfs({"restore", repository() + selector, restored}).exit_code, 0);
    expect_image(copied, history.moments()[i].image);
    expect_image(restored, history.moments()[i].image);
    EXPECT_EQ(std::filesystem::last_write_time(copied), std::filesystem::last_write_time(restored));
  }
}

TEST_F(EveryEpochTest, DescribesItselfInEpochJson) {
  SqliteHistory history(database(), 100);
  backup();
  history.commit(2);
  backup();
  mount();
  for (const std::string& name : epochs()) {
    const std::string file = tree() + "/epochs/" + name;
    const auto document = nlohmann::json::parse(read_file(file + "/epoch.json"), nullptr, false);
    ASSERT_TRUE(document.is_object()) << name;
    EXPECT_EQ(document.value("epoch", 0ULL), std::stoull(name));

    std::array<char, 64> value{};
    const ssize_t length =
        ::getxattr(epoch_file(name).c_str(), "user.epochfs.state_hash", value.data(), value.size());
    ASSERT_GT(length, 0);
    EXPECT_EQ(document.value("state_hash", ""),
              std::string(value.data(), static_cast<std::size_t>(length)));
  }
}

}  // namespace
}  // namespace epochfs::test
