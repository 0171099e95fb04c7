// Backups in ZLayer's layout: every epoch byte for byte what a reader of the live database saw, and
// the newest one what the original replicator's own restore makes of it, after every backup.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/repo/repository.h"
#include "tests/support/process.h"
#include "tests/support/random_history.h"
#include "tests/support/samples.h"
#include "tests/support/sqlite_history.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;
using engine::Epoch;

struct ListedEpoch {
  std::string name;
  std::string image;
  bool is_shown = false;
};

class ZlayerWritingTest : public testing::Test {
 protected:
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    return run(words, {.environment = {{"EPOCHFS_CACHE_DIR", cache_}}});
  }
  [[nodiscard]] ProcessResult back_up(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"backup", database_, place_};
    words.insert(words.end(), more.begin(), more.end());
    return epochfs(words);
  }
  std::string must_back_up(const std::vector<std::string>& more = {}) const {
    const ProcessResult done = back_up(more);
    EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
    return done.out;
  }
  static std::string last_line(const std::string& said) {
    const std::size_t end = said.find_last_not_of('\n');
    const std::size_t begin = said.rfind('\n', end);
    return said.substr(begin + 1, end - begin);
  }

  // What the replicator's own restore makes of the place.
  [[nodiscard]] std::string restored_by_rule() const {
    const std::string output = directory_ / "by-rule.db";
    files::remove(output);
    const ProcessResult done =
        run({"python3", EPOCHFS_SOURCE_DIR "/tests/zlayer/rule.py", place_, output});
    EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
    return file_bytes(output);
  }

  // Every epoch that readers are shown.
  [[nodiscard]] std::vector<ListedEpoch> listed() const {
    std::vector<ListedEpoch> epochs;
    engine::RepositoryOptions options;
    options.location = place_;
    options.cache_directory = cache_;
    const auto repository = engine::Repository::open(options);
    EXPECT_TRUE(repository) << repository.error().text;
    if (!repository) return epochs;
    const auto database = engine::select_database(**repository, {});
    EXPECT_TRUE(database) << database.error().text;
    const auto timeline = (*database)->timeline();
    const auto facts = (*timeline)->list(Epoch(1), 100'000);
    EXPECT_TRUE(facts && facts->size() == (*timeline)->epoch_count());
    for (const auto& epoch : *facts) {
      const auto image = (*database)->image(epoch.epoch);
      EXPECT_TRUE(image) << image.error().text;
      if (!image) return epochs;
      engine::Bytes bytes(epoch.size_bytes);
      std::vector<std::uint64_t> hashes;
      const auto read = (*image)->read_pages(engine::PageNo(1), bytes, hashes);
      EXPECT_TRUE(read) << read.error().text;
      epochs.push_back({epoch.state.hex(), std::string(engine::as_text(bytes)),
                        epoch.basis == engine::native::Basis::kShown});
    }
    return epochs;
  }

  // Those there were before are still there, under the same numbers.
  void expect_goes_on(const std::vector<ListedEpoch>& before,
                      const std::vector<ListedEpoch>& now) const {
    ASSERT_GE(now.size(), before.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(now[i].name, before[i].name) << "epoch " << i + 1;
      EXPECT_TRUE(now[i].image == before[i].image) << "epoch " << i + 1;
    }
  }
  // All of them are moments of the database, in their order.
  static void expect_moments(const std::vector<ListedEpoch>& epochs,
                             const std::vector<std::string>& moments) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
      EXPECT_TRUE(epochs[i].is_shown) << "epoch " << i + 1;
      while (at < moments.size() && moments[at] != epochs[i].image) ++at;
      ASSERT_LT(at, moments.size()) << "epoch " << i + 1 << " never was";
    }
  }

  const TemporaryDirectory directory_;
  const std::string database_ = directory_ / "app.db";
  const std::string place_ = directory_ / "place";
  const std::string cache_ = directory_ / "cache";
};

class ZlayerRandomWriting : public ZlayerWritingTest,
                            public testing::WithParamInterface<RandomHistoryOptions> {};

TEST_P(ZlayerRandomWriting, StoresWhatReadersSaw) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("EPOCHFS_TEST_SEED={}", seed));
  RandomHistory history(database_, GetParam(), seed);
  std::mt19937_64 dice(seed + 1);
  std::vector<ListedEpoch> before;
  for (int backup = 0; backup < 8; ++backup) {
    for (std::uint64_t steps = dice() % 12; steps > 0; --steps) history.step();
    if (dice() % 6 == 0) files::remove_all(cache_);
    std::vector<std::string> words;
    if (backup == 0) words = {"--format", "zlayer"};
    if (dice() % 6 == 0) words.emplace_back("--full");
    const std::string said = must_back_up(words);
    EXPECT_TRUE(restored_by_rule() == history.moments().back().image) << said;
    const std::vector<ListedEpoch> now = listed();
    ASSERT_FALSE(now.empty());
    EXPECT_EQ(last_line(said), fmt::format("epoch {}", now.size())) << said;
    EXPECT_TRUE(now.back().image == history.moments().back().image) << said;
    expect_goes_on(before, now);
    before = now;
    if (HasFailure()) return;
  }
  std::vector<std::string> moments;
  for (const auto& moment : history.moments()) moments.push_back(moment.image);
  expect_moments(before, moments);
  const ProcessResult verified = epochfs({"verify", place_});
  EXPECT_EQ(verified.exit_code, 0) << verified.out;
}

// Three of them under sanitizers.
std::vector<RandomHistoryOptions> random_histories() {
  const std::vector<RandomHistoryOptions> all = {
      {512, "FULL", "WAL"},          {4096, "NONE", "WAL"},
      {65536, "INCREMENTAL", "WAL"}, {1024, "INCREMENTAL", "DELETE"},
      {4096, "NONE", "TRUNCATE"},    {8192, "FULL", "PERSIST"},
      {4096, "NONE", "MEMORY"}};
  std::vector<RandomHistoryOptions> taken;
  for (std::size_t i = 0; i < all.size(); i += one_of_many_under_sanitizers(3))
    taken.push_back(all[i]);
  return taken;
}

INSTANTIATE_TEST_SUITE_P(Histories, ZlayerRandomWriting, testing::ValuesIn(random_histories()),
                         [](const auto& row) { return row.param.name(); });

TEST_F(ZlayerWritingTest, MakesAnEpochOfEveryTransaction) {
  SqliteHistory history(database_, 40);
  must_back_up({"--format", "zlayer"});
  for (const std::size_t count : {3U, 1U, 5U}) {
    history.commit(count);
    must_back_up();
  }
  const auto epochs = listed();
  ASSERT_EQ(epochs.size(), history.moments().size());
  for (std::size_t i = 0; i < epochs.size(); ++i)
    EXPECT_TRUE(epochs[i].image == history.moments()[i].image) << i;
}

// As where the machine that made the first backups is lost.
TEST_F(ZlayerWritingTest, GoesOnFromThePlaceAlone) {
  SqliteHistory history(database_, 40);
  must_back_up({"--format", "zlayer"});
  for (int round = 0; round < 3; ++round) {
    files::remove_all(cache_);
    history.commit(2);
    must_back_up();
    EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
  }
  EXPECT_EQ(listed().size(), history.moments().size());
}

// A page that comes to look as it did once must not hide what was committed in between.
TEST_F(ZlayerWritingTest, KeepsEpochsThatEqualEarlierOnes) {
  LiveDatabase database(database_);
  database.run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  database.run("CREATE TABLE t(a); INSERT INTO t VALUES(1); CREATE TABLE u(b)");
  must_back_up({"--format", "zlayer"});
  std::vector<std::string> moments{database.image()};
  for (int round = 0; round < 4; ++round) {
    for (const int value : {2, 1}) {
      database.run(fmt::format("UPDATE t SET a = {}", value));
      moments.push_back(database.image());
    }
    must_back_up(round % 2 == 0 ? std::vector<std::string>{"--full"} : std::vector<std::string>());
  }
  EXPECT_TRUE(moments[0] == moments[2]);
  const auto epochs = listed();
  ASSERT_EQ(epochs.size(), moments.size());
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    EXPECT_TRUE(epochs[i].image == moments[i]) << i;
    EXPECT_TRUE(epochs[i].is_shown) << i;
  }
}

TEST_F(ZlayerWritingTest, BeginsAnotherSnapshotWhenTheCopiesHaveGrown) {
  SqliteHistory history(database_, 200);
  must_back_up({"--format", "zlayer"});
  bool was_due = false;
  for (int round = 0; round < 60 && !was_due; ++round) {
    LiveDatabase(database_).run(
        "CREATE TABLE IF NOT EXISTS big(b); DELETE FROM big;"
        "INSERT INTO big VALUES(randomblob(400000))");
    was_due = must_back_up().find("a new snapshot was due") != std::string::npos;
  }
  EXPECT_TRUE(was_due);
  const auto before = listed();
  history.commit();
  must_back_up();
  expect_goes_on(before, listed());
  EXPECT_TRUE(restored_by_rule() == history.moments().back().image);
}

TEST_F(ZlayerWritingTest, SaysTheSameAsAnotherBackup) {
  SqliteHistory history(database_, 40);
  const auto both = [&](const std::vector<std::string>& more) {
    const ProcessResult here = back_up(more);
    std::vector<std::string> words{"backup", database_, directory_ / "native", "--name", "place"};
    words.insert(words.end(), more.begin(), more.end());
    words.erase(std::remove(words.begin(), words.end(), "--format"), words.end());
    words.erase(std::remove(words.begin(), words.end(), "zlayer"), words.end());
    const ProcessResult there = epochfs(words);
    EXPECT_EQ(here.exit_code, there.exit_code) << here.err;
    const auto without_cost = [](const std::string& said) {
      std::string text;
      for (std::size_t at = 0; at < said.size();) {
        const std::string line = said.substr(at, said.find('\n', at) - at);
        at += line.size() + 1;
        if (!line.starts_with("read ") && !line.starts_with("reason:")) text += line + "\n";
      }
      return text;
    };
    EXPECT_EQ(without_cost(here.out), without_cost(there.out));
  };
  both({"--format", "zlayer", "--dry-run"});
  EXPECT_FALSE(files::exists(place_));
  both({"--format", "zlayer"});
  both({});
  history.commit(3);
  both({"--dry-run"});
  both({});
  both({"-q"});
  both({"--full", "-q"});
  const ProcessResult json = back_up({"--json"});
  EXPECT_NE(json.out.find("\"kind\": \"none\""), std::string::npos) << json.out;
}

TEST_F(ZlayerWritingTest, RefusesWhatItCannotHold) {
  SqliteHistory history(database_, 10);
  EXPECT_EQ(back_up({"--format", "zlayer", "--name", "other"}).exit_code, 2);
  EXPECT_EQ(back_up({"--format", "zlayer", "--engine", "file"}).exit_code, 2);
  EXPECT_EQ(back_up({"--format", "zlayers"}).exit_code, 2);
  write_file(directory_ / "plain.txt", "no database");
  const ProcessResult plain =
      epochfs({"backup", directory_ / "plain.txt", place_, "--format", "zlayer"});
  EXPECT_EQ(plain.exit_code, 13) << plain.err;
  EXPECT_FALSE(files::exists(place_));
  ASSERT_EQ(epochfs({"backup", database_, directory_ / "native"}).exit_code, 0);
  const ProcessResult native =
      epochfs({"backup", database_, directory_ / "native", "--format", "zlayer"});
  EXPECT_EQ(native.exit_code, 2) << native.err;
  EXPECT_NE(native.err.find("a repository of epochfs"), std::string::npos) << native.err;
  must_back_up({"--format", "zlayer"});
  const ProcessResult above =
      epochfs({"backup", database_, directory_.path(), "--format", "zlayer"});
  EXPECT_EQ(above.exit_code, 2) << above.err;
  files::copy_file(database_, directory_ / "other.db");
  const ProcessResult other = epochfs({"backup", directory_ / "other.db", place_});
  EXPECT_EQ(other.exit_code, 2) << other.err;
  EXPECT_NE(other.err.find("holds the history of app.db"), std::string::npos) << other.err;
}

TEST_F(ZlayerWritingTest, HoldsADatabaseWithoutASinglePage) {
  write_file(database_, "");
  must_back_up({"--format", "zlayer"});
  EXPECT_NE(must_back_up().find("nothing changed"), std::string::npos);
  EXPECT_EQ(restored_by_rule(), "");
  LiveDatabase database(database_);
  database.run("CREATE TABLE t(a)");
  must_back_up();
  EXPECT_TRUE(restored_by_rule() == database.image());
  const auto epochs = listed();
  ASSERT_EQ(epochs.size(), 2U);
  EXPECT_EQ(epochs[0].image, "");
  EXPECT_TRUE(epochs[1].image == database.image());
}

// The replicator's own objects are there first: they stay what they are.
TEST_F(ZlayerWritingTest, GoesOnBehindTheReplicator) {
  const std::string seed = std::to_string(test_seed() % 1'000'000'000);
  for (const char* what : {"plain", "outranked", "shrinking"}) {
    SCOPED_TRACE(fmt::format("{} EPOCHFS_TEST_SEED={}", what, seed));
    const std::string made = directory_ / what;
    const std::string script = EPOCHFS_SOURCE_DIR "/tests/zlayer/make.py";
    const ProcessResult result = run({"python3", script, what, made, seed});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const std::string objects = made + "/objects";
    const auto names = [&] {
      const ProcessResult log = epochfs({"log", objects, "--json"});
      return std::count(log.out.begin(), log.out.end(), '\n');
    };
    const auto before = names();
    if (std::string(what) == "shrinking") files::remove(objects + "/metadata.json");
    LiveDatabase database(made + "/live.db");
    for (int round = 0; round < 3; ++round) {
      const ProcessResult done = epochfs({"backup", made + "/live.db", objects});
      EXPECT_EQ(done.exit_code, 0) << done.err;
      const std::string output = made + "/by-rule.db";
      files::remove(output);
      const ProcessResult rule =
          run({"python3", EPOCHFS_SOURCE_DIR "/tests/zlayer/rule.py", objects, output});
      EXPECT_EQ(rule.exit_code, 0) << rule.err;
      EXPECT_TRUE(file_bytes(output) == database.image());
      // The first is what the replicator has, too.
      EXPECT_EQ(names(), before + round);
      EXPECT_EQ(last_line(done.out), fmt::format("epoch {}", before + round));
      database.run(fmt::format("CREATE TABLE more{}(a)", round));
    }
  }
}

// A small place with two snapshots, one of which is a base made from the place itself.
class ZlayerDamageTest : public ZlayerWritingTest {
 protected:
  void make() {
    SqliteHistoryOptions options;
    options.page_size = 512;
    options.seed = seed_;
    history_.emplace(database_, 12, options);
    must_back_up({"--format", "zlayer"});
    for (const bool is_full : {false, true, false, false}) {
      history_->commit(2);
      must_back_up(is_full ? std::vector<std::string>{"--full"} : std::vector<std::string>());
    }
  }
  static std::vector<std::string> files_in(const std::string& directory) {
    std::vector<std::string> paths;
    for (const auto& entry : files::recursive_directory_iterator(directory)) {
      if (entry.is_regular_file() && entry.path().filename().string().front() != '.')
        paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    return paths;
  }
  [[nodiscard]] bool is_moment(const std::string& image) const {
    return std::ranges::any_of(history_->moments(),
                               [&](const auto& moment) { return moment.image == image; });
  }
  // Whatever is shown can be read and was a state of the database, or cannot be read.
  int expect_nothing_wrong() const {
    engine::RepositoryOptions options;
    options.location = place_;
    options.cache_directory = cache_;
    const auto repository = engine::Repository::open(options);
    if (!repository) return 0;
    const auto database = engine::select_database(**repository, {});
    if (!database) return 0;
    const auto timeline = (*database)->timeline();
    const auto facts = timeline ? (*timeline)->list(Epoch(1), 1000)
                                : engine::Result<std::vector<engine::native::EpochFacts>>();
    if (!facts) return 0;
    int count = 0;
    for (const auto& epoch : *facts) {
      if (epoch.basis != engine::native::Basis::kShown) continue;
      const auto image = (*database)->image(epoch.epoch);
      engine::Bytes bytes(epoch.size_bytes);
      std::vector<std::uint64_t> hashes;
      if (!image || !(*image)->read_pages(engine::PageNo(1), bytes, hashes)) continue;
      EXPECT_TRUE(is_moment(std::string(engine::as_text(bytes)))) << "epoch " << epoch.epoch.get();
      ++count;
    }
    return count;
  }

  const std::uint64_t seed_ = test_seed();
  const testing::ScopedTrace trace_{__FILE__, __LINE__,
                                    "EPOCHFS_TEST_SEED=" + std::to_string(seed_)};
  std::optional<SqliteHistory> history_;
};

TEST_F(ZlayerDamageTest, NeverShowsWhatNeverWas) {
  make();
  const int whole = expect_nothing_wrong();
  EXPECT_EQ(whole, static_cast<int>(history_->moments().size()));
  int missed = 0;
  constexpr std::size_t kStep = 64;
  constexpr std::size_t kTailStep = 7;
  for (const std::string& path : files_in(place_)) {
    const std::string good = file_bytes(path);
    const std::size_t tail = good.size() - std::min<std::size_t>(good.size(), 700);
    const std::size_t first = first_sample(tail == 0 ? kTailStep : kStep);
    for (std::size_t at = first; at < good.size(); at += at < tail ? kStep : kTailStep) {
      SCOPED_TRACE(fmt::format("{} byte {} of {}", path, at, good.size()));
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x20);
      write_file(path, bad);
      missed += expect_nothing_wrong() < whole ? 1 : 0;
      write_file(path, good.substr(0, at));
      missed += expect_nothing_wrong() < whole ? 1 : 0;
      if (HasFailure()) return;
    }
    write_file(path, good);
  }
  EXPECT_GT(missed, 100);
  EXPECT_EQ(expect_nothing_wrong(), whole);
}

TEST_F(ZlayerDamageTest, IsMendedByTheNextBackup) {
  for (const bool is_known_here : {true, false}) {
    for (const std::string object : {"wal", "snapshots", "metadata.json"}) {
      SCOPED_TRACE(fmt::format("{}, {}", object, is_known_here));
      files::remove_all(place_);
      files::remove_all(cache_);
      files::remove(database_);
      make();
      const std::string path = object == "metadata.json" ? place_ + "/metadata.json"
                                                         : files_in(place_ + "/" + object).back();
      const std::string good = file_bytes(path);
      write_file(path, good.substr(0, good.size() / 2));
      if (!is_known_here) files::remove_all(cache_);
      history_->commit(2);
      must_back_up();
      EXPECT_TRUE(restored_by_rule() == history_->moments().back().image);
      const auto epochs = listed();
      ASSERT_FALSE(epochs.empty());
      EXPECT_TRUE(epochs.back().image == history_->moments().back().image);
      EXPECT_NE(must_back_up().find("nothing changed"), std::string::npos);
      expect_nothing_wrong();
    }
  }
}

TEST_F(ZlayerDamageTest, DoesNotBelieveWhatItKept) {
  make();
  std::vector<std::string> kept;
  for (const std::string& path : files_in(cache_)) {
    if (path.find("/outbox/") != std::string::npos) kept.push_back(files::path(path).filename());
  }
  ASSERT_EQ(kept.size(), 2U);
  constexpr std::size_t kStep = 257;
  for (std::size_t at = first_sample(kStep); at < 3000; at += kStep) {
    for (const std::string& path : files_in(cache_)) {
      if (path.find("/outbox/") == std::string::npos) continue;
      SCOPED_TRACE(fmt::format("{} byte {}", path, at));
      std::string bytes = file_bytes(path);
      if (at >= bytes.size()) continue;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
      write_file(path, bytes);
      history_->commit();
      must_back_up();
      EXPECT_TRUE(restored_by_rule() == history_->moments().back().image);
      EXPECT_EQ(expect_nothing_wrong(), static_cast<int>(history_->moments().size()));
      if (HasFailure()) return;
      break;  // the next backup has made others
    }
  }
}

}  // namespace
}  // namespace epochfs::test
