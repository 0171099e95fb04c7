// A real SQLite history that version 1 of the format wrote stays readable, by us and by the
// independent reader, and stays as it is.
#include "engine/core/hash.h"
#include "engine/repo/grafeo_transfer.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/golden.h"
#include "tests/support/process.h"

namespace epochfs::engine {
namespace {

const std::string kGolden = EPOCHFS_SOURCE_DIR "/tests/golden";
const std::string kRepository = kGolden + "/native-1-sqlite";
const std::string kEpochs = kGolden + "/native-1-sqlite.txt";

std::string sha256_of(std::string_view bytes) { return to_hex(Sha256::of(as_bytes(bytes))); }

class GoldenRepositoryTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto repository = Repository::open({kRepository, directory_ / "cache"});
    ASSERT_TRUE(repository) << repository.error().text;
    const auto database = (*repository)->database("ledger");
    ASSERT_TRUE(database) << database.error().text;
    database_ = *database;
  }

  const std::vector<test::GoldenEpoch> golden_ = test::golden_epochs(kEpochs);
  const TemporaryDirectory directory_;
  std::shared_ptr<Database> database_;
};

TEST_F(GoldenRepositoryTest, HoldsTheEpochsThatSqliteSaw) {
  ASSERT_EQ((*database_->timeline())->epoch_count(), golden_.size());
  for (const test::GoldenEpoch& golden : golden_) {
    SCOPED_TRACE(testing::Message() << "epoch " << golden.number);
    const auto bytes = read_epoch(*database_, Epoch(golden.number));
    ASSERT_TRUE(bytes) << bytes.error().text;
    EXPECT_EQ(bytes->size(), golden.size_bytes);
    EXPECT_EQ(sha256_of(*bytes), golden.sha256);
  }
}

TEST_F(GoldenRepositoryTest, RestoresThem) {
  const std::string output = directory_ / "ledger.db";
  for (const test::GoldenEpoch& golden : golden_) {
    SCOPED_TRACE(testing::Message() << "epoch " << golden.number);
    const auto restored = restore(*database_, Epoch(golden.number), {output, true, {}});
    ASSERT_TRUE(restored) << restored.error().text;
    EXPECT_EQ(restored->size_bytes, golden.size_bytes);
    EXPECT_EQ(sha256_of(read_file(output)), golden.sha256);
  }
}

TEST_F(GoldenRepositoryTest, IsSound) {
  const auto report = verify(kRepository, "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  for (const Damage& damage : report->damage) ADD_FAILURE() << damage.object << ": " << damage.text;
  for (const std::string& warning : report->warnings) ADD_FAILURE() << warning;
  EXPECT_EQ(report->epochs, golden_.size());
}

TEST_F(GoldenRepositoryTest, GivesTheIndependentReaderTheSameEpochs) {
  const std::string reader = EPOCHFS_SOURCE_DIR "/tests/independent/restore.py";
  const auto result = test::run({"python3", reader, kRepository, "ledger", "--sha256"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, read_file(kEpochs));
}

// A history that the real Grafeo made and that was imported when logs were new: what comes out is
// what Grafeo wrote.
class GoldenGrafeoTest : public testing::Test {
 protected:
  static constexpr std::size_t kEpochs = 8;

  // Lines `name size sha256` of the files that Grafeo wrote.
  void expect_files(const std::string& directory) {
    std::ifstream in(kGolden + "/native-2-grafeo.txt");
    std::size_t files = 0;
    std::string name, sha256;
    for (std::uint64_t size = 0; in >> name >> size >> sha256; ++files) {
      const std::string bytes = read_file(directory + "/" + name);
      EXPECT_EQ(bytes.size(), size) << name;
      EXPECT_EQ(sha256_of(bytes), sha256) << name;
    }
    EXPECT_EQ(files, 5U);
    const auto opened = Repository::open({directory, directory_ / "cache"});
    ASSERT_TRUE(opened) << opened.error().text;
    const auto summaries = summarize(**opened, "");
    ASSERT_TRUE(summaries) << summaries.error().text;
    EXPECT_EQ(summaries->front().epoch_count, kEpochs);
    EXPECT_TRUE(summaries->front().problems.empty());
  }

  const std::string repository_ = kGolden + "/native-2-grafeo";
  const TemporaryDirectory directory_;
};

TEST_F(GoldenGrafeoTest, IsSound) {
  const auto report = verify(repository_, "", false, {});
  ASSERT_TRUE(report) << report.error().text;
  for (const Damage& damage : report->damage) ADD_FAILURE() << damage.object << ": " << damage.text;
  EXPECT_EQ(report->epochs, kEpochs);
  EXPECT_EQ(report->segments, 5U);
}

TEST_F(GoldenGrafeoTest, IsExportedAsGrafeoWroteIt) {
  ExportOptions options;
  options.location = repository_;
  options.cache_directory = directory_ / "cache";
  options.output = directory_ / "out";
  const auto report = export_grafeo(options);
  ASSERT_TRUE(report) << report.error().text;
  expect_files(directory_ / "out");
}

TEST_F(GoldenGrafeoTest, GivesTheIndependentReaderTheSameFiles) {
  const std::string reader = EPOCHFS_SOURCE_DIR "/tests/independent/restore.py";
  const auto result =
      test::run({"python3", reader, repository_, "shop", "--unpack", directory_ / "out"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_files(directory_ / "out");
}

// Of all golden repositories, whatever their engine.
TEST(GoldenFilesTest, NeverChange) {
  std::map<std::string, std::string> recorded;
  std::ifstream in(kGolden + "/SHA256SUMS");
  for (std::string sha256, name; in >> sha256 >> name;) recorded[name] = sha256;

  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kGolden)) {
    const std::string name = entry.path().lexically_relative(kGolden).string();
    if (name.starts_with("native-") && entry.is_regular_file())
      found[name] = sha256_of(read_file(entry.path().string()));
  }
  EXPECT_FALSE(recorded.empty());
  EXPECT_EQ(found, recorded);
}

}  // namespace
}  // namespace epochfs::engine
