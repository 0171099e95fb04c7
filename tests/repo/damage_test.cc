// What damage to a repository costs, and what it does not. That no byte of it goes unnoticed:
// tests/proof.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/formats/native/manifest.h"
#include "engine/formats/native/seal.h"
#include "engine/segment/segment_reader.h"
#include "engine/storage/local_storage.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::engine {
namespace {

class DamageTest : public RepositoryTest {
 protected:
  void SetUp() override {
    test::SqliteHistory history(path("app.db"), 60, {.page_size = 1024, .seed = 7});
    back_up(path("app.db"));
    history.commit(3);
    back_up(path("app.db"));
    history.commit(2);
    back_up(path("app.db"));
    back_up(path("app.db"), true);
    history.commit(2);
    back_up(path("app.db"));
    for (const auto& moment : history.moments()) images_[moment.step] = moment.image;
  }

  std::map<std::uint64_t, std::string> images_;
};

TEST_F(DamageTest, CostsOnlyWhatDependsOnIt) {
  // Epochs 5 to 6 lie in the middle; what comes before them and what has the second full below it
  // stays.
  const std::string file = location() + "/app/incr-5-6.seg";
  std::string bad = read_file(file);
  ASSERT_FALSE(bad.empty());
  std::filesystem::remove(file);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_EQ(report->damage[0].object, "incr-5-6.seg");
  EXPECT_EQ(report->damage[0].first_lost, Epoch(5));
  EXPECT_EQ(report->damage[0].last_lost, Epoch(5)) << "the full holds epoch 6";
  const auto repository = Repository::open(RepositoryOptions{location(), path("fresh"), 1 << 20});
  ASSERT_TRUE(repository);
  const auto database = *(*repository)->database("app");
  for (const auto& [number, image] : images_) {
    const auto bytes = read_epoch(*database, Epoch(number));
    if (number == 5) {
      EXPECT_FALSE(bytes);
      continue;
    }
    ASSERT_TRUE(bytes) << number << ": " << bytes.error().text;
    EXPECT_TRUE(*bytes == image) << number;
  }
}

// A record's own hash of its newest version goes into the state of every epoch that replaces it.
TEST_F(DamageTest, OfAHashIsNotBuiltUpon) {
  const std::string database = path("other.db");
  test::SqliteHistory history(database, 60, {.page_size = 1024, .seed = 8});
  back_up(database);
  history.commit();
  back_up(database);
  const std::string name = "other/incr-2-2.seg";
  std::string bad = read_file(location() + "/" + name);
  const auto storage = open_local_storage(location());
  const auto reader = SegmentReader::open(*storage->open(name), nullptr);
  ASSERT_TRUE(reader) << reader.error().text;
  ASSERT_TRUE(
      reader->visit_records([&](std::uint64_t offset, const native::RecordRow&) -> Result<void> {
        bad[offset + 24] = static_cast<char>(bad[offset + 24] ^ 1);  // behind the fixed fields
        return {};
      }));
  write_file(location() + "/" + name, bad);
  history.commit(2);
  const BackupReport report = back_up(database);
  EXPECT_TRUE(report.wrote_full);
  const auto repository = Repository::open(RepositoryOptions{location(), path("fresh"), 1 << 20});
  ASSERT_TRUE(repository) << repository.error().text;
  const auto stored = *(*repository)->database("other");
  const auto restored = restore(*stored, *report.newest, {path("restored"), true, {}});
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_TRUE(read_file(path("restored")) == history.moments().back().image);
}

// Sums that agree prove nothing: whoever writes a repository computes them.
TEST_F(DamageTest, IsFoundInARecordThatHoldsFewerVersionsThanTheTableSays) {
  const std::string full = location() + "/app/full-1.db.zst";
  const std::string manifest_file = location() + "/app/manifest.json";
  auto manifest = native::parse_manifest(as_bytes(read_file(manifest_file)));
  ASSERT_TRUE(manifest) << manifest.error().text;
  native::SegmentEntry& entry = manifest->segments.at(1);
  const std::string incremental = location() + "/app/" + entry.filename;
  const auto storage = open_local_storage(location());

  std::string bad = read_file(incremental);
  const auto reader = SegmentReader::open(*storage->open("app/" + entry.filename), nullptr);
  ASSERT_TRUE(reader) << reader.error().text;
  bool shortened = false;
  const auto shorten = [&](std::uint64_t offset, const native::RecordRow& row) -> Result<void> {
    if (shortened || row.epochs.size() < 2) return {};
    TRY_ASSIGN(auto parsed, native::parse_record_header(as_bytes(bad).subspan(offset)));
    parsed.header.epochs.pop_back();
    parsed.header.hashes.pop_back();
    const Bytes header = native::encode_record_header(parsed.header);
    bad.replace(offset, header.size(), as_text(header));
    shortened = true;
    return {};
  };
  ASSERT_TRUE(reader->visit_records(shorten));
  ASSERT_TRUE(shortened);
  write_file(incremental, bad);
  entry.sha256 = Sha256::of(as_bytes(bad));
  Crc32 checksum;
  checksum.update(as_bytes(bad));
  entry.checksum = checksum.value();
  write_file(manifest_file, native::sealed(native::encode_manifest(*manifest)));

  // The base cannot be read, so that nobody decodes the record.
  std::string base = read_file(full);
  const auto base_reader = SegmentReader::open(*storage->open("app/full-1.db.zst"), nullptr);
  ASSERT_TRUE(base_reader) << base_reader.error().text;
  for (std::size_t at = 32; at < base_reader->footer().tables_offset; at += 64)
    base[at] = static_cast<char>(base[at] ^ 0x40);
  write_file(full, base);

  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_TRUE(std::ranges::any_of(
      report->damage, [&](const Damage& damage) { return damage.object == entry.filename; }));
}

// The manifest with `change` made to one of its entries, and a seal that fits.
std::string with_changed_entry(const std::string& sealed_manifest, std::size_t segment,
                               const std::function<void(nlohmann::ordered_json&)>& change) {
  auto manifest = nlohmann::ordered_json::parse(sealed_manifest);
  manifest.erase("document_sha256");
  change(manifest["segments"][segment]);
  return native::sealed(manifest.dump(2) + "\n");
}

TEST_F(DamageTest, OfAnEntryOfTheManifestCostsItsOwnEpochsAlone) {
  const std::string file = location() + "/app/manifest.json";
  const std::string good = read_file(file);
  using Json = nlohmann::ordered_json;
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json& entry) { entry = 7; },
      [](Json& entry) { entry = nullptr; },
      [](Json& entry) {
        entry = Json::array({1, 2});
      },
      [](Json& entry) { entry = Json::object(); },
      [](Json& entry) { entry.erase("tables_sha256"); },
      [](Json& entry) { entry["kind"] = "Delta"; },
      [](Json& entry) { entry["kind"] = "Log"; },
      [](Json& entry) { entry["filename"] = "../outside"; },
      [](Json& entry) { entry["filename"] = ".hidden"; },
      [](Json& entry) { entry["filename"] = 1; },
      [](Json& entry) { entry["end_epoch"] = -1; },
      [](Json& entry) { entry["end_epoch"] = 1.5; },
      [](Json& entry) { entry["end_epoch"] = 0; },
      [](Json& entry) { entry["checksum"] = std::uint64_t{1} << 32U; },
      [](Json& entry) { entry["page_size"] = 1000; },
      [](Json& entry) { entry["sha256"] = "00"; },
  };
  // Full 1, 2 to 4, 5 to 6, full 6, 7 to 8. A full gives what an incremental before it has lost.
  const std::vector<std::set<std::uint64_t>> lost = {
      {1, 2, 3, 4, 5}, {2, 3, 4, 5}, {5}, {7, 8}, {7, 8}};
  for (std::size_t segment = 0; segment < lost.size(); ++segment) {
    for (std::size_t change = 0; change < changes.size(); ++change) {
      SCOPED_TRACE(fmt::format("segment {}, change {}", segment, change));
      write_file(file, with_changed_entry(good, segment, changes[change]));
      const auto report = verify(location(), "", false, {});
      ASSERT_TRUE(report) << report.error().text;
      EXPECT_TRUE(std::ranges::any_of(report->damage, [&](const Damage& damage) {
        return damage.object == "manifest.json" &&
               damage.text.starts_with(fmt::format("segment {}", segment + 1));
      }));
      const auto repository =
          Repository::open(RepositoryOptions{location(), path("cache"), 1 << 20});
      ASSERT_TRUE(repository) << repository.error().text;
      const auto database = (*repository)->database("app");
      ASSERT_TRUE(database) << database.error().text;
      EXPECT_FALSE((*database)->summary()->problems.empty());
      for (const auto& [number, image] : images_) {
        const auto bytes = read_epoch(**database, Epoch(number));
        ASSERT_EQ(bytes.has_value(), !lost[segment].contains(number)) << number;
        EXPECT_TRUE(!bytes || *bytes == image) << number;
      }
    }
    BackupOptions options;
    options.database_path = path("app.db");
    options.location = location();
    options.cache_directory = path("cache");
    const auto refused = backup(options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kCorrupt) << refused.error().text;
    write_file(file, good);
    const auto sound = verify(location(), "", false, {});
    EXPECT_TRUE(sound && sound->damage.empty());
  }
}

}  // namespace
}  // namespace epochfs::engine
