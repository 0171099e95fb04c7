// Databases of Grafeo's in a repository of ours: taken in out of backup directories, shown,
// checked, and written back.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/formats/native/manifest.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/grafeo_transfer.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/samples.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;
using grafeo::Generation;
using test::GrafeoBuilder;

Result<std::string> packed_file(const View& view, std::size_t index) {
  TRY_ASSIGN(const auto file, view.open(index));
  TRY_ASSIGN(const auto pieces, file->read({0, file->size_bytes()}));
  std::string bytes;
  for (const Piece& piece : pieces) bytes += as_text(piece.bytes);
  return bytes;
}

grafeo::Manifest manifest_in(const std::string& directory) {
  const std::string document = read_file(directory + "/backup_manifest.json");
  const auto manifest = grafeo::parse_manifest(as_bytes(document));
  EXPECT_TRUE(manifest) << directory;
  return manifest ? *manifest : grafeo::Manifest();
}

class PackedGrafeoTest : public RepositoryTest, public testing::WithParamInterface<Generation> {
 protected:
  GrafeoBuilder builder(const std::string& directory = "own/shop") {
    return {path(directory), GetParam()};
  }
  // Two fulls, an epoch with an image alone, a chain of two, a hole.
  GrafeoBuilder history() {
    GrafeoBuilder db = builder();
    db.commit(2).full().commit(2).incremental().commit(1).incremental();
    db.commit(3).full().commit(2).incremental();
    return db;
  }
  Result<TransferReport> import(const GrafeoBuilder& db, const std::string& name = "") {
    ImportOptions options;
    options.source = db.directory();
    options.location = location();
    options.cache_directory = path("cache");
    options.name = name;
    return import_grafeo(options);
  }
  Result<TransferReport> export_to(const std::string& output,
                                   std::optional<Generation> format = {}) {
    ExportOptions options;
    options.location = location();
    options.cache_directory = path("cache");
    options.output = output;
    options.format = format;
    return export_grafeo(options);
  }
  void must_import(const GrafeoBuilder& db, std::uint64_t copied) {
    const auto report = import(db);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->segments_copied, copied);
  }
  [[nodiscard]] std::string stored(const std::string& name) const {
    return location() + "/shop/" + name;
  }
  [[nodiscard]] std::vector<native::SegmentEntry> entries() const {
    const std::string json = read_file(stored("manifest.json"));
    EXPECT_TRUE(native::check_seal(as_bytes(json)));
    const auto manifest = native::parse_manifest(as_bytes(json));
    EXPECT_TRUE(manifest) << manifest.error().text;
    return manifest ? manifest->segments : std::vector<native::SegmentEntry>();
  }

  void expect_epochs(const GrafeoBuilder& db, const std::string& cache = "cache") {
    const auto database = open_database(cache);
    const auto timeline = *database->timeline();
    EXPECT_EQ(timeline->epoch_count(), db.expected().size());
    for (const auto& [number, expected] : db.expected()) {
      SCOPED_TRACE(number);
      const auto view = database->view(Epoch(number));
      ASSERT_TRUE(view) << view.error().text;
      EXPECT_TRUE(*packed_file(**view, 0) == expected.image);
      ASSERT_EQ((*view)->files().size(), expected.log.empty() ? 2U : 3U);
      if (expected.log.empty()) continue;
      EXPECT_EQ((*view)->files()[1].name, expected.log_name);
      EXPECT_TRUE(*packed_file(**view, 1) == expected.log);
    }
  }
  // The same files under the names that Grafeo gives them, and a manifest that says the same.
  void expect_exported(const GrafeoBuilder& db, const std::string& directory) {
    const grafeo::Manifest before = manifest_in(db.directory());
    const grafeo::Manifest after = manifest_in(directory);
    EXPECT_EQ(after, before);
    for (const grafeo::SegmentEntry& entry : before.segments)
      EXPECT_TRUE(read_file(directory + "/" + entry.filename) ==
                  read_file(db.directory() + "/" + entry.filename))
          << entry.filename;
  }
};

INSTANTIATE_TEST_SUITE_P(Generations, PackedGrafeoTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

// --- import ---

TEST_P(PackedGrafeoTest, ShowsEveryEpochThatWasImported) {
  const GrafeoBuilder db = history();
  const auto report = import(db);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->database, "shop");
  EXPECT_EQ(report->segments, 5U);
  EXPECT_EQ(report->segments_copied, 5U);
  expect_epochs(db);
  const auto database = open_database();
  EXPECT_EQ(database->engine(), native::Engine::kGrafeo);
  EXPECT_EQ(database->file_name(), "shop.grafeo");
  const auto view = *database->view(Epoch(4));
  EXPECT_EQ(view->files()[0].name, "shop.grafeo");
  EXPECT_EQ(view->files()[1].directory, "shop.grafeo.wal");
  const auto json = nlohmann::json::parse(*packed_file(*view, 2));
  EXPECT_EQ(json["segment"], "incr-3-4.log.zst");
  EXPECT_EQ(json["base"], "full-2.grafeo.zst");
}

TEST_P(PackedGrafeoTest, KeepsTheTimesOfItsEpochs) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  const auto own = Repository::open({db.directory(), path("cache"), 1 << 20});
  const auto before = *(*(*own)->database("shop"))->timeline();
  const auto after = *open_database()->timeline();
  for (const auto& [number, expected] : db.expected())
    EXPECT_EQ((*after->find(Epoch(number)))->committed, (*before->find(Epoch(number)))->committed);
  EXPECT_EQ(after->covered_until(), before->covered_until());
}

TEST_P(PackedGrafeoTest, IsImportedWhereItStoppedBefore) {
  GrafeoBuilder db = history();
  must_import(db, 5);
  const std::string manifest = read_file(stored("manifest.json"));
  must_import(db, 0);
  EXPECT_EQ(read_file(stored("manifest.json")), manifest);
  db.commit(2).incremental();
  const auto database = open_database();
  must_import(db, 1);
  expect_epochs(db);
}

TEST_P(PackedGrafeoTest, IsUnpackedByZstdAlone) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  const auto before = manifest_in(db.directory()).segments;
  const auto packed = entries();
  ASSERT_EQ(packed.size(), before.size());
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const std::string command =
        "zstd -q -d -c '" + stored(packed[i].filename) + "' > '" + path("unpacked") + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    EXPECT_TRUE(read_file(path("unpacked")) ==
                read_file(db.directory() + "/" + before[i].filename));
  }
}

// Of the same database another time, and of two others below one directory.
TEST_P(PackedGrafeoTest, RefusesAnotherHistory) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  GrafeoBuilder other(path("else/shop"), GetParam(), 2);
  other.commit(2).full().commit(20).incremental();
  const auto refused = import(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_NE(refused.error().text.find("another history"), std::string::npos);
  ASSERT_TRUE(import(other, "other"));
  EXPECT_EQ(*open()->databases(), (std::vector<std::string>{"other", "shop"}));
}

TEST_P(PackedGrafeoTest, IsOneOfSeveralWhenNamed) {
  builder("own/a").commit(1).full();
  builder("own/b").commit(7).full();
  ImportOptions options;
  options.source = path("own");
  options.location = location();
  options.cache_directory = path("cache");
  EXPECT_EQ(import_grafeo(options).error().code, Code::kInvalid);
  options.database = "c";
  EXPECT_EQ(import_grafeo(options).error().code, Code::kNotFound);
  EXPECT_FALSE(files::exists(location()));
  options.database = "b";
  ASSERT_TRUE(import_grafeo(options));
  EXPECT_EQ((*open_database()->timeline())->newest(), Epoch(7));
  options.source = path("nothing");
  EXPECT_EQ(import_grafeo(options).error().code, Code::kNoRepository);
}

TEST_P(PackedGrafeoTest, TakesNothingOfASegmentThatIsDamaged) {
  GrafeoBuilder db = history();
  std::string bytes = read_file(db.file(2));
  bytes[bytes.size() / 2] ^= 1;
  write_file(db.file(2), bytes);
  const auto refused = import(db);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  EXPECT_NE(refused.error().text.find("backup_incr_0002.wal: its CRC"), std::string::npos)
      << refused.error().text;
  EXPECT_EQ(entries().size(), 2U);
  write_file(db.file(2), bytes.substr(1));
  EXPECT_EQ(import(db).error().code, Code::kCorrupt);
  files::remove(db.file(2));
  EXPECT_EQ(import(db).error().code, Code::kNotFound);
  EXPECT_EQ(entries().size(), 2U);
}

// What is wrong inside a file that is what it was is no business of a copy.
TEST_P(PackedGrafeoTest, KeepsDamageThatWasBackedUp) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(2).garbage("no frame at all").incremental();
  must_import(db, 2);
  const auto packed = *open_database()->summary();
  const auto own = Repository::open({db.directory(), path("cache"), 1 << 20});
  const auto before = *(*(*own)->database("shop"))->summary();
  EXPECT_EQ(packed.epoch_count, before.epoch_count);
  EXPECT_EQ(packed.problems.size(), before.problems.size());
  EXPECT_EQ(packed.problems.size(), 1U);
}

TEST_P(PackedGrafeoTest, MayBeginWithAnEpochZero) {
  GrafeoBuilder db = builder();
  db.full().commit(3).incremental();
  must_import(db, 2);
  expect_epochs(db);
  EXPECT_EQ(entries()[0].filename, "full-0.grafeo.zst");
  ASSERT_TRUE(export_to(path("out")));
  expect_exported(db, path("out"));
}

TEST_P(PackedGrafeoTest, HasNamesForEpochsThatRepeat) {
  GrafeoBuilder db = builder();
  db.commit(2).full().full();
  if (GetParam() == Generation::kV2) db.schema().incremental().schema().incremental();
  must_import(db, GetParam() == Generation::kV2 ? 4 : 2);
  expect_epochs(db);
  EXPECT_TRUE(files::exists(stored("full-2-2.grafeo.zst")));
  EXPECT_EQ(files::exists(stored("incr-3-2-2.log.zst")), GetParam() == Generation::kV2);
  ASSERT_TRUE(export_to(path("out")));
  expect_exported(db, path("out"));
}

TEST_P(PackedGrafeoTest, LiesBesideDatabasesOfOtherKinds) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  FileHistory file(path("notes.txt"), 7);
  back_up(path("notes.txt"));
  file.change();
  back_up(path("notes.txt"));
  const auto repository = open();
  EXPECT_EQ(*repository->databases(), (std::vector<std::string>{"notes", "shop"}));
  EXPECT_EQ(*read_epoch(**repository->database("notes"), Epoch(2)), file.content());
  const auto shop = *repository->database("shop");
  EXPECT_EQ(*read_epoch(*shop, Epoch(5)), db.expected().at(5).image);
  EXPECT_EQ(verify(location(), "", false, {})->databases, 2U);
  const auto summaries = *summarize(*repository, "");
  ASSERT_EQ(summaries.size(), 2U);
  EXPECT_EQ(summaries[1].engine, native::Engine::kGrafeo);
  EXPECT_GT(repository->cache_counters().bytes_read, 0U);
}

TEST_P(PackedGrafeoTest, IsNoPlaceForADatabaseOfAnotherKind) {
  must_import(history(), 5);
  FileHistory file(path("shop.txt"), 7);
  BackupOptions options;
  options.database_path = path("shop.txt");
  options.location = location();
  options.cache_directory = path("cache");
  options.engine = native::Engine::kFile;
  const auto refused = backup(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_NE(refused.error().text.find("engine grafeo"), std::string::npos) << refused.error().text;
  options.name = "notes";
  ASSERT_TRUE(backup(options));
  const auto taken = import(history(), "notes");
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Code::kInvalid);
}

// --- what every command makes of it ---

TEST_P(PackedGrafeoTest, IsRestored) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  for (const auto& [number, expected] : db.expected()) {
    const std::string output = path("out" + std::to_string(number));
    const auto report = restore(*open_database(), Epoch(number), {output, false, {}});
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_TRUE(read_file(output) == expected.image);
    if (!expected.log.empty()) {
      EXPECT_TRUE(read_file(output + ".wal/" + expected.log_name) == expected.log);
    }
  }
}

TEST_P(PackedGrafeoTest, IsComparedByItsLog) {
  must_import(history(), 5);
  const auto report = diff(*open_database(), Epoch(2), Epoch(5));
  ASSERT_TRUE(report) << report.error().text;
  ASSERT_TRUE(report->log);
  EXPECT_EQ(report->log->epochs, 3U);
  EXPECT_EQ(report->log->transactions, 3U);
  EXPECT_TRUE(report->log->complete);
}

TEST_P(PackedGrafeoTest, TellsWhatItTakesAndWhatItGives) {
  must_import(history(), 5);
  const auto summary = *open_database()->summary();
  EXPECT_EQ(summary.epoch_count, 7U);
  EXPECT_EQ(summary.fulls, 2U);
  EXPECT_EQ(summary.incrementals, 3U);
  EXPECT_TRUE(summary.problems.empty()) << summary.problems.front();
  ASSERT_EQ(summary.notes.size(), 1U);
  std::uint64_t stored_bytes = 0;
  for (const native::SegmentEntry& entry : entries()) stored_bytes += entry.size_bytes;
  EXPECT_EQ(summary.stored_bytes, stored_bytes);
}

TEST_P(PackedGrafeoTest, IsSound) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  for (const bool quick : {false, true}) {
    const auto report = verify(location(), "", quick, {});
    ASSERT_TRUE(report) << report.error().text;
    for (const Damage& damage : report->damage)
      ADD_FAILURE() << damage.object << ": " << damage.text;
    EXPECT_EQ(report->databases, 1U);
    EXPECT_EQ(report->segments, 5U);
    EXPECT_EQ(report->epochs, db.expected().size());
    EXPECT_EQ(report->warnings.size(), 1U);  // the hole
  }
}

// --- damage ---

// Whatever is flipped or cut off: `verify` says so, and no epoch is ever another.
TEST_P(PackedGrafeoTest, NeverGivesAnotherEpochForDamage) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  std::uint64_t steps = 0;
  for (const native::SegmentEntry& entry : entries()) {
    const std::string good = read_file(stored(entry.filename));
    const std::size_t step = good.size() * test::one_of_many_under_sanitizers(5) / 23 + 1;
    for (std::size_t at = test::first_sample(step); at < good.size(); at += step) {
      SCOPED_TRACE(entry.filename + " at " + std::to_string(at));
      std::string bad = good;
      if (++steps % 4 == 0)
        bad.resize(at);
      else
        bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ (1U << (steps % 8)));
      write_file(stored(entry.filename), bad);
      const auto report = verify(location(), "", false, {});
      ASSERT_TRUE(report) << report.error().text;
      EXPECT_FALSE(report->damage.empty());
      for (const Damage& damage : report->damage) EXPECT_EQ(damage.database, "shop");
      const auto repository = open("cache" + std::to_string(steps));
      const auto database = *repository->database("shop");
      for (const auto& [number, expected] : db.expected()) {
        const auto view = database->view(Epoch(number));
        if (!view) continue;
        const auto image = packed_file(**view, 0);
        if (image) {
          EXPECT_TRUE(*image == expected.image);
        }
        if (expected.log.empty()) continue;
        const auto log = packed_file(**view, 1);
        if (log) {
          EXPECT_TRUE(*log == expected.log);
        }
      }
    }
    write_file(stored(entry.filename), good);
  }
  EXPECT_TRUE(verify(location(), "", false, {})->damage.empty());
}

TEST_P(PackedGrafeoTest, SaysWhatAMissingSegmentCosts) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  files::remove(stored("incr-3-4.log.zst"));
  const auto report = verify(location(), "", true, {});
  ASSERT_TRUE(report) << report.error().text;
  ASSERT_EQ(report->damage.size(), 2U);
  EXPECT_EQ(report->damage[0].object, "incr-3-4.log.zst");
  EXPECT_EQ(report->damage[0].first_lost, Epoch(3));
  EXPECT_EQ(report->damage[1].last_lost, Epoch(5));
  const auto database = open_database();
  EXPECT_FALSE(database->view(Epoch(4)));
  EXPECT_EQ(*read_epoch(*database, Epoch(10)), db.expected().at(10).image);
}

TEST_P(PackedGrafeoTest, ListsASegmentThatChangedItsSizeAsAProblem) {
  must_import(history(), 5);
  const auto database = open_database();
  const std::string bytes = read_file(stored("full-2.grafeo.zst"));
  write_file(stored("full-2.grafeo.zst"), bytes.substr(1));
  const auto summary = database->summary();
  ASSERT_TRUE(summary) << summary.error().text;
  ASSERT_EQ(summary->problems.size(), 1U);
  EXPECT_NE(summary->problems[0].find("full-2.grafeo.zst"), std::string::npos);
}

TEST_P(PackedGrafeoTest, ReportsAManifestThatIsDamaged) {
  must_import(history(), 5);
  std::string json = read_file(stored("manifest.json"));
  json[json.size() / 2] ^= 1;
  write_file(stored("manifest.json"), json);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_EQ(report->damage[0].object, "manifest.json");
  EXPECT_FALSE(export_to(path("out")));
  EXPECT_FALSE(files::exists(path("out")));
}

TEST_P(PackedGrafeoTest, ServesWhatABadEntryOfTheManifestIsNotAbout) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  const std::string sealed_manifest = read_file(stored("manifest.json"));
  const auto documents = {std::pair{"checksum", "wrong type"}, std::pair{"kind", "Incremental"},
                          std::pair{"filename", "a/b"}, std::pair{"unpacked_bytes", "-1"}};
  for (const auto& [field, value] : documents) {
    SCOPED_TRACE(field);
    auto manifest = nlohmann::ordered_json::parse(sealed_manifest);
    manifest.erase("document_sha256");
    manifest["segments"][2][field] = value;  // of epoch 5
    write_file(stored("manifest.json"), native::sealed(manifest.dump(2) + "\n"));
    const auto report = verify(location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    ASSERT_EQ(report->damage.size(), 1U) << report->damage.back().text;
    EXPECT_EQ(report->damage[0].object, "manifest.json");
    EXPECT_EQ(report->damage[0].first_lost, Epoch(5));
    EXPECT_EQ(report->damage[0].last_lost, Epoch(5));
    const auto database = open_database();
    EXPECT_EQ(database->summary()->problems.size(), 1U);
    for (const auto& [number, expected] : db.expected()) {
      const auto view = database->view(Epoch(number));
      ASSERT_EQ(view.has_value(), number != 5) << number;
      EXPECT_TRUE(!view || *packed_file(**view, 0) == expected.image) << number;
    }
    EXPECT_EQ(export_to(path("out")).error().code, Code::kCorrupt);
    EXPECT_EQ(import(db).error().code, Code::kCorrupt);
  }
}

// Descriptors that this process may still open, until the end of the test.
class FewDescriptors {
 public:
  explicit FewDescriptors(std::size_t count) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next) + count;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

TEST_P(PackedGrafeoTest, IsReadThroughFewerDescriptorsThanItHasSegments) {
  GrafeoBuilder db = builder();
  db.commit(1).full();
  for (int i = 0; i < 40; ++i) db.commit(1).incremental();
  must_import(db, 41);
  const auto database = open_database();
  // A sanitizer needs some itself, and takes their lack for damaged memory: there all are enough.
  const FewDescriptors few(12 * epochfs::test::one_of_many_under_sanitizers(10));
  for (const auto& [number, expected] : db.expected()) {
    const auto view = database->view(Epoch(number));
    ASSERT_TRUE(view) << number << ": " << view.error().text;
    const auto image = packed_file(**view, 0);
    ASSERT_TRUE(image) << number << ": " << image.error().text;
    EXPECT_TRUE(*image == expected.image) << number;
    if (expected.log.empty()) continue;
    const auto log = packed_file(**view, 1);
    ASSERT_TRUE(log) << number << ": " << log.error().text;
    EXPECT_TRUE(*log == expected.log) << number;
  }
}

// --- export ---

TEST_P(PackedGrafeoTest, IsExportedAsItWas) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  const auto report = export_to(path("out"));
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->database, "shop");
  EXPECT_EQ(report->segments_copied, 5U);
  expect_exported(db, path("out"));
}

TEST_P(PackedGrafeoTest, IsExportedWhereThatStoppedBefore) {
  GrafeoBuilder db = history();
  must_import(db, 5);
  ASSERT_TRUE(export_to(path("out")));
  EXPECT_EQ(export_to(path("out"))->segments_copied, 0U);
  db.commit(1).incremental();
  must_import(db, 1);
  EXPECT_EQ(export_to(path("out"))->segments_copied, 1U);
  expect_exported(db, path("out"));
}

TEST_P(PackedGrafeoTest, IsNotExportedAmongOtherFiles) {
  must_import(history(), 5);
  files::create_directory(path("out"));
  write_file(path("out") + "/letter.txt", "dear");
  EXPECT_EQ(export_to(path("out")).error().code, Code::kExists);
  GrafeoBuilder other(path("else/shop"), GetParam(), 2);
  other.commit(1).full();
  EXPECT_EQ(export_to(other.directory()).error().code, Code::kInvalid);
  EXPECT_EQ(export_to(location()).error().code, Code::kExists);
}

TEST_P(PackedGrafeoTest, IsExportedInFormatsThatCanHoldIt) {
  const GrafeoBuilder db = history();
  must_import(db, 5);
  const bool is_v1 = GetParam() == Generation::kV1;
  const auto as_v1 = export_to(path("v1"), Generation::kV1);
  EXPECT_EQ(as_v1.has_value(), is_v1);
  if (!is_v1) {
    EXPECT_EQ(as_v1.error().code, Code::kInvalid);
    EXPECT_FALSE(files::exists(path("v1")));
  }
  ASSERT_TRUE(export_to(path("v2"), Generation::kV2));
  EXPECT_EQ(manifest_in(path("v2")).generation, Generation::kV2);
  EXPECT_EQ(manifest_in(path("v2")).segments, manifest_in(db.directory()).segments);
}

TEST_P(PackedGrafeoTest, IsNotExportedFromARepositoryWithoutOne) {
  FileHistory file(path("notes.txt"), 7);
  back_up(path("notes.txt"));
  EXPECT_EQ(export_to(path("out")).error().code, Code::kNotFound);
  EXPECT_FALSE(files::exists(path("out")));
}

}  // namespace
}  // namespace epochfs::engine
