// Backup directories of Grafeo's through the one door: opened, listed, restored, compared,
// verified.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/repo/repository_fixture.h"
#include "tests/support/failing_calls.h"
#include "tests/support/grafeo_builder.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;
using grafeo::Generation;
using test::GrafeoBuilder;

// What a directory looks like from outside: names, sizes, times.
std::string look_of(const std::string& directory) {
  std::string look;
  std::set<files::path> paths{directory};
  for (const auto& entry : files::recursive_directory_iterator(directory)) paths.insert(entry);
  for (const files::path& path : paths)
    look += path.string() + " " +
            std::to_string(files::last_write_time(path).time_since_epoch().count()) + " " +
            std::to_string(files::is_directory(path) ? 0 : files::file_size(path)) + "\n";
  return look;
}

std::string file_of(const View& view, std::size_t index) {
  const auto file = view.open(index);
  EXPECT_TRUE(file);
  const auto pieces = (*file)->read({0, (*file)->size_bytes()});
  EXPECT_TRUE(pieces) << pieces.error().text;
  std::string bytes;
  if (pieces)
    for (const Piece& piece : *pieces) bytes += as_text(piece.bytes);
  return bytes;
}

class GrafeoRepositoryTest : public RepositoryTest, public testing::WithParamInterface<Generation> {
 protected:
  // The directory is location(), called "repo".
  GrafeoBuilder builder() { return {location(), GetParam()}; }
  // Two fulls, an epoch with an image alone, a chain of two, a hole.
  GrafeoBuilder history() {
    GrafeoBuilder db = builder();
    db.commit(2).full().commit(2).incremental().commit(1).incremental();
    db.commit(3).full().commit(2).incremental();
    return db;
  }

  void expect_restored(const std::string& output, const GrafeoBuilder::Expected& expected) {
    EXPECT_TRUE(read_file(output) == expected.image);
    EXPECT_EQ(files::exists(output + ".wal"), !expected.log.empty());
    if (expected.log.empty()) return;
    EXPECT_TRUE(read_file(output + ".wal/" + expected.log_name) == expected.log);
  }
  [[nodiscard]] std::set<std::string> names_in_test_directory() const {
    std::set<std::string> names;
    for (const auto& entry : files::directory_iterator(directory_.path()))
      names.insert(entry.path().filename());
    return names;
  }
  Result<RestoreReport> restore_epoch(std::uint64_t epoch, const std::string& output,
                                      bool force = false) {
    RestoreOptions options;
    options.output = output;
    options.force = force;
    return restore(*open_database(), Epoch(epoch), options);
  }
};

INSTANTIATE_TEST_SUITE_P(Generations, GrafeoRepositoryTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

TEST_P(GrafeoRepositoryTest, ShowsEveryEpochAsFiles) {
  const GrafeoBuilder db = history();
  const auto database = open_database();
  EXPECT_EQ(database->name(), "repo");
  EXPECT_EQ(database->file_name(), "repo.grafeo");
  EXPECT_EQ(database->engine(), native::Engine::kGrafeo);
  EXPECT_EQ((*database->timeline())->epoch_count(), db.expected().size());
  for (const auto& [number, expected] : db.expected()) {
    SCOPED_TRACE(number);
    const auto view = database->view(Epoch(number));
    ASSERT_TRUE(view) << view.error().text;
    const auto& entries = (*view)->files();
    ASSERT_EQ(entries.size(), expected.log.empty() ? 2U : 3U);
    EXPECT_EQ(entries[0].name, "repo.grafeo");
    EXPECT_TRUE(file_of(**view, 0) == expected.image);
    if (!expected.log.empty()) {
      EXPECT_EQ(entries[1].directory, "repo.grafeo.wal");
      EXPECT_EQ(entries[1].name, expected.log_name);
      EXPECT_EQ(entries[1].size_bytes, expected.log.size());
      EXPECT_TRUE(file_of(**view, 1) == expected.log);
    }
    const auto json = nlohmann::json::parse(file_of(**view, entries.size() - 1));
    EXPECT_EQ(json["epoch"], number);
    EXPECT_EQ(json["engine"], "grafeo");
    EXPECT_EQ(json["generation"], static_cast<unsigned>(GetParam()));
    EXPECT_EQ(json["base"], number < 8 ? "backup_full_0000.grafeo" : "backup_full_0003.grafeo");
    EXPECT_EQ(json.contains("state_hash"), false);
  }
}

TEST_P(GrafeoRepositoryTest, IsCalledAfterItsDirectoryHoweverThatIsSpelled) {
  history();
  for (const std::string& spelling : {location(), location() + "/", location() + "/../repo/."}) {
    const auto repository = Repository::open({spelling, path("cache"), 1 << 20});
    ASSERT_TRUE(repository) << repository.error().text;
    EXPECT_EQ(*(*repository)->databases(), std::vector<std::string>{"repo"});
    EXPECT_EQ((*repository)->id(), "");
  }
}

TEST_P(GrafeoRepositoryTest, MayBeOneOfSeveralBelowADirectory) {
  GrafeoBuilder(path("repo/graph-a"), GetParam()).commit(1).full();
  GrafeoBuilder(path("repo/graph-b"), GetParam()).commit(7).full();
  files::create_directory(path("repo/other"));
  const auto repository = open();
  EXPECT_EQ(*repository->databases(), (std::vector<std::string>{"graph-a", "graph-b"}));
  EXPECT_EQ((*(*repository->database("graph-b"))->timeline())->newest(), Epoch(7));
  EXPECT_EQ(repository->database("other").error().code, Code::kNotFound);
  EXPECT_EQ(verify(location(), "graph-a", false, {})->epochs, 1U);
  EXPECT_EQ(verify(location(), "", false, {})->databases, 2U);
  EXPECT_EQ(verify(location(), "graph-c", false, {}).error().code, Code::kNotFound);
}

TEST_P(GrafeoRepositoryTest, IsLeftAsItIs) {
  const GrafeoBuilder db = history();
  const std::string before = look_of(location());
  const auto database = open_database();
  ASSERT_TRUE(database->view(Epoch(5)));
  ASSERT_TRUE(restore_epoch(5, path("out.grafeo")));
  ASSERT_TRUE(verify(location(), "", false, {}));
  ASSERT_TRUE(database->summary());
  EXPECT_EQ(look_of(location()), before);
}

TEST_P(GrafeoRepositoryTest, FollowsNewBackups) {
  GrafeoBuilder db = history();
  const auto database = open_database();
  EXPECT_EQ((*database->timeline())->newest(), Epoch(10));
  db.commit(2).incremental();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ((*database->timeline())->newest(), Epoch(12));
  EXPECT_TRUE(file_of(**database->view(Epoch(12)), 1) == db.expected().at(12).log);
}

TEST_P(GrafeoRepositoryTest, TellsWhatCanBeGivenBack) {
  history();
  const auto summary = open_database()->summary();
  ASSERT_TRUE(summary) << summary.error().text;
  EXPECT_EQ(summary->epoch_count, 7U);
  EXPECT_EQ(summary->oldest->epoch, Epoch(2));
  EXPECT_EQ(summary->newest->epoch, Epoch(10));
  EXPECT_EQ(summary->fulls, 2U);
  EXPECT_EQ(summary->incrementals, 3U);
  EXPECT_TRUE(summary->problems.empty());
  ASSERT_EQ(summary->notes.size(), 1U);
  EXPECT_EQ(summary->notes[0],
            "epochs 6 to 7 are in no backup of their own: backup_full_0003.grafeo was made at 8");
}

TEST_P(GrafeoRepositoryTest, IsNotARepositoryToBackUpInto) {
  history();
  write_file(path("file"), "content");
  BackupOptions options;
  options.database_path = path("file");
  options.location = location();
  options.cache_directory = path("cache");
  const std::string before = look_of(location());
  const auto report = backup(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kExists);
  EXPECT_NE(report.error().text.find("--format"), std::string::npos) << report.error().text;
  EXPECT_EQ(look_of(location()), before);
}

// --- restore ---

TEST_P(GrafeoRepositoryTest, RestoresEveryEpoch) {
  const GrafeoBuilder db = history();
  for (const auto& [number, expected] : db.expected()) {
    SCOPED_TRACE(number);
    const std::string output = path("out" + std::to_string(number));
    const auto report = restore_epoch(number, output);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->size_bytes, expected.image.size() + expected.log.size());
    EXPECT_EQ(report->log_directory, expected.log.empty() ? "" : output + ".wal");
    expect_restored(output, expected);
  }
}

TEST_P(GrafeoRepositoryTest, TakesNoNameThatIsTaken) {
  const GrafeoBuilder db = history();
  const std::string output = path("out");
  ASSERT_TRUE(open_database());
  for (const std::string taken : {"", ".wal", ".checkpoint", ".migrating"}) {
    SCOPED_TRACE(taken);
    write_file(output + taken, "somebody's");
    const auto before = names_in_test_directory();
    const auto report = restore_epoch(5, output);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::kExists);
    EXPECT_EQ(names_in_test_directory(), before);
    EXPECT_EQ(read_file(output + taken), "somebody's");
    files::remove(output + taken);
  }
}

TEST_P(GrafeoRepositoryTest, ReplacesTheWholeDatabaseWhenForced) {
  const GrafeoBuilder db = history();
  const std::string output = path("out");
  ASSERT_TRUE(restore_epoch(5, output));
  write_file(output + ".wal/wal_99999999.log", "more of it");
  ASSERT_TRUE(restore_epoch(10, output, true));
  expect_restored(output, db.expected().at(10));
  EXPECT_FALSE(files::exists(output + ".wal/wal_99999999.log"));
  ASSERT_TRUE(restore_epoch(2, output, true));
  expect_restored(output, db.expected().at(2));
}

TEST_P(GrafeoRepositoryTest, ReplacesNothingByWhatIsNotSafe) {
  const GrafeoBuilder db = history();
  const std::string output = path("out");
  ASSERT_TRUE(restore_epoch(5, output));
  std::size_t without_log = 0;
  for (const auto& [number, expected] : db.expected()) {
    SCOPED_TRACE(number);
    without_log += expected.log.empty() ? 1 : 0;
    const std::uint64_t epoch = number;  // no lambda of clang 14 captures a binding
    with_failing_calls({{SYS_fsync, EIO}}, [&] {
      const auto failed = restore_epoch(epoch, output, true);
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code, Code::kIo) << failed.error().text;
    });
    expect_restored(output, db.expected().at(5));
  }
  EXPECT_GT(without_log, 0U);
}

TEST_P(GrafeoRepositoryTest, RestoresNothingOfWhatIsDamaged) {
  const GrafeoBuilder db = history();
  ASSERT_TRUE(open_database());
  for (const std::size_t segment : {std::size_t{0}, std::size_t{1}}) {
    SCOPED_TRACE(segment);
    const std::string good = read_file(db.file(segment));
    const auto modified = files::last_write_time(db.file(segment));
    std::string bad = good;
    bad.back() = static_cast<char>(bad.back() ^ 1);
    const auto database = open_database();  // while all is well
    write_file(db.file(segment), bad);
    files::last_write_time(db.file(segment), modified);
    const auto before = names_in_test_directory();
    const auto report = restore(*database, Epoch(5), {path("out"), false, {}});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::kCorrupt);
    EXPECT_EQ(names_in_test_directory(), before);
    write_file(db.file(segment), good);
  }
}

TEST_P(GrafeoRepositoryTest, RestoresNoDamagedFullThatWasNeverRead) {
  const GrafeoBuilder db = history();
  std::string bad = read_file(db.file(0));
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write_file(db.file(0), bad);
  const auto database = open_database();
  const auto before = names_in_test_directory();
  const auto report = restore(*database, Epoch(2), {path("out"), false, {}});
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("CRC"), std::string::npos) << report.error().text;
  EXPECT_EQ(names_in_test_directory(), before);
}

TEST_P(GrafeoRepositoryTest, GivesAnImageAloneToADescriptor) {
  const GrafeoBuilder db = history();
  const auto database = open_database();
  const UniqueFd file(::open(path("out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(restore_to_descriptor(*database, Epoch(2), file.get(), {}));
  EXPECT_TRUE(read_file(path("out")) == db.expected().at(2).image);
  const auto refused = restore_to_descriptor(*database, Epoch(3), file.get(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
}

// --- diff ---

TEST_P(GrafeoRepositoryTest, ComparesEpochsByTheirLog) {
  const GrafeoBuilder db = history();
  const auto database = open_database();
  const auto report = diff(*database, Epoch(2), Epoch(5));
  ASSERT_TRUE(report) << report.error().text;
  ASSERT_TRUE(report->log);
  DiffReport::Log wanted;
  for (const std::uint64_t number : {3U, 4U, 5U}) {
    const auto& expected = db.expected().at(number);
    ++wanted.epochs;
    wanted.transactions += expected.transactions;
    wanted.records += expected.records;
    wanted.bytes += expected.bytes;
  }
  EXPECT_EQ(report->log->epochs, wanted.epochs);
  EXPECT_EQ(report->log->transactions, wanted.transactions);
  EXPECT_EQ(report->log->records, wanted.records);
  EXPECT_EQ(report->log->bytes, wanted.bytes);
  EXPECT_TRUE(report->log->complete);
  EXPECT_EQ(diff(*database, Epoch(5), Epoch(2))->log->records, wanted.records);
  EXPECT_FALSE(diff(*database, Epoch(5), Epoch(8))->log->complete);
  EXPECT_EQ(diff(*database, Epoch(5), Epoch(6)).error().code, Code::kNoSuchEpoch);
}

// --- verify ---

TEST_P(GrafeoRepositoryTest, IsSoundWithHoles) {
  const GrafeoBuilder db = history();
  write_file(location() + "/backup_manifest.json.tmp", "half");
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_TRUE(report->damage.empty());
  EXPECT_EQ(report->segments, 5U);
  EXPECT_EQ(report->epochs, 7U);
  EXPECT_EQ(report->warnings.size(), 2U);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < 5; ++i) bytes += files::file_size(db.file(i));
  EXPECT_EQ(report->bytes_checked, bytes);
}

TEST_P(GrafeoRepositoryTest, TellsWhatADamagedFullCosts) {
  const GrafeoBuilder db = history();
  std::string bad = read_file(db.file(3));
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write_file(db.file(3), bad);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_EQ(report->damage[0].object, "backup_full_0003.grafeo");
  EXPECT_EQ(report->damage[0].first_lost, Epoch(8));
  EXPECT_EQ(report->damage[0].last_lost, Epoch(10));
  EXPECT_TRUE(verify(location(), "", true, {})->damage.empty()) << "quick does not read fulls";
}

TEST_P(GrafeoRepositoryTest, FindsAnImageThatWasDamagedBeforeItWasBackedUp) {
  GrafeoBuilder db = history();
  std::string bad = read_file(db.file(3));
  bad.back() = static_cast<char>(bad.back() ^ 1);
  write_file(db.file(3), bad);
  db.reseal(3);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_NE(report->damage[0].text.find("was damaged when it was backed up"), std::string::npos)
      << report->damage[0].text;
}

TEST_P(GrafeoRepositoryTest, TellsOfAManifestThatIsNone) {
  history();
  write_file(location() + "/backup_manifest.json", "{");
  EXPECT_EQ(open()->database("repo").error().code, Code::kCorrupt);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_EQ(report->damage[0].object, "backup_manifest.json");
}

}  // namespace
}  // namespace epochfs::engine
