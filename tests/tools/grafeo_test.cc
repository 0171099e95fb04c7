// What the commands say of backup directories of Grafeo's: words, JSON, exit codes.

#include <algorithm>
#include <filesystem>

#include "engine/formats/grafeo/bincode.h"
#include "tests/support/grafeo_builder.h"
#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;
using Generation = GrafeoBuilder::Generation;
using Numbers = std::vector<std::uint64_t>;

// Two chains: 2 to 5, and 8 to 10.
GrafeoBuilder history(const std::string& directory, Generation generation) {
  GrafeoBuilder db(directory, generation);
  db.commit(2).full().commit(2).incremental().commit(1).incremental();
  db.commit(3).full().commit(2).incremental();
  return db;
}

void flip_last_byte(const std::string& file) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(-1, std::ios::end);
  const auto last = static_cast<char>(bytes.get() ^ 1);
  bytes.seekp(-1, std::ios::end);
  bytes.put(last);
  ASSERT_TRUE(bytes);
}

// Nothing that could move a cursor or hide a text.
bool is_harmless(const std::string& text) {
  return std::ranges::all_of(text, [](char c) {
    return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
  });
}

class GrafeoCommandTest : public CommandTest, public testing::WithParamInterface<Generation> {
 protected:
  [[nodiscard]] std::string at(std::string_view selector) const {
    return graph_ + "@" + std::string(selector);
  }
  [[nodiscard]] Json json_of(std::vector<std::string> words, int exit_code = 0) const {
    words.emplace_back("--json");
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    return Json::parse(result.out);
  }

  const std::string graph_ = path("graph");
  GrafeoBuilder db_ = history(graph_, GetParam());
};

INSTANTIATE_TEST_SUITE_P(Generations, GrafeoCommandTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

// --- log ---

TEST_P(GrafeoCommandTest, LogListsEpochsWithTheirRecords) {
  const ProcessResult log = epochfs({"log", graph_});
  EXPECT_EQ(log.exit_code, 0) << log.err;
  const auto lines = lines_of(log.out);
  Numbers numbers;
  for (const std::string& line : lines) numbers.push_back(std::stoull(line));
  ASSERT_EQ(numbers, (Numbers{10, 9, 8, 5, 4, 3, 2})) << log.out;
  EXPECT_TRUE(lines[0].ends_with("log")) << lines[0];
  EXPECT_NE(lines[0].find("record"), std::string::npos) << lines[0];
  EXPECT_TRUE(lines[2].ends_with("image")) << lines[2];
  EXPECT_EQ(lines[2].find("record"), std::string::npos) << lines[2];
}

TEST_P(GrafeoCommandTest, LogWritesJsonLines) {
  const ProcessResult log = epochfs({"log", graph_, "--json"});
  for (const std::string& line : lines_of(log.out)) {
    const Json json = Json::parse(line);
    const auto& expected = db_.expected().at(json.at("epoch"));
    const bool is_image = expected.log.empty();
    EXPECT_EQ(json.at("how"), is_image ? "image" : "log");
    EXPECT_EQ(json.at("size_bytes"), expected.image.size() + expected.log.size());
    EXPECT_FALSE(json.contains("state_hash")) << line;
    EXPECT_FALSE(json.contains("pages_changed")) << line;
    EXPECT_EQ(json.at("records"), is_image ? Json() : Json(expected.records));
  }
}

// --- info ---

TEST_P(GrafeoCommandTest, InfoTellsOfASoundDirectory) {
  const ProcessResult info = epochfs({"info", graph_});
  EXPECT_EQ(info.exit_code, 0) << info.err;
  EXPECT_NE(info.out.find("graph: graph.grafeo (grafeo)"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("epochs    7, from 2 to 10"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("in 2 full and 3 incremental segments"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("note      epochs 6 to 7 are in no backup"), std::string::npos)
      << info.out;
  EXPECT_EQ(info.out.find("problem"), std::string::npos) << info.out;
  const Json json = json_of({"info", graph_});
  EXPECT_TRUE(json.at("id").is_null());
  const Json& database = json.at("databases").at(0);
  EXPECT_EQ(database.at("engine"), "grafeo");
  EXPECT_EQ(database.at("epochs"), 7);
  EXPECT_EQ(database.at("oldest").at("epoch"), 2);
  EXPECT_EQ(database.at("newest").at("epoch"), 10);
  EXPECT_EQ(database.at("problems"), Json::array());
  EXPECT_EQ(database.at("notes").size(), 1U);
}

TEST_P(GrafeoCommandTest, InfoEndsWithAWarningWhenSomethingIsLost) {
  files::remove(db_.file(1));
  // Twice: the second time from the index.
  for (int i = 0; i < 2; ++i) {
    const ProcessResult info = epochfs({"info", graph_});
    EXPECT_EQ(info.exit_code, 3) << info.err;
    EXPECT_NE(info.out.find("(epochs 3 to 4 are lost)"), std::string::npos) << info.out;
    EXPECT_NE(info.out.find("the chain that it continues is broken (epoch 5 is lost)"),
              std::string::npos)
        << info.out;
    EXPECT_EQ(json_of({"info", graph_}, 3).at("databases").at(0).at("problems").size(), 2U);
  }
}

// --- verify ---

TEST_P(GrafeoCommandTest, VerifyTellsOfASoundDirectory) {
  const ProcessResult verified = epochfs({"verify", graph_});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_NE(verified.out.find("sound: 1 database, 5 segments, 7 epochs"), std::string::npos)
      << verified.out;
  const Json json = json_of({"verify", graph_});
  EXPECT_EQ(json.at("sound"), true);
  EXPECT_EQ(json.at("epochs"), 7);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < 5; ++i) bytes += files::file_size(db_.file(i));
  EXPECT_EQ(json.at("bytes_checked"), bytes);
  EXPECT_EQ(json.at("damage"), Json::array());
}

TEST_P(GrafeoCommandTest, VerifyTellsWhatDamageCosts) {
  flip_last_byte(db_.file(2));
  flip_last_byte(db_.file(3));
  const ProcessResult verified = epochfs({"verify", graph_});
  EXPECT_EQ(verified.exit_code, 4) << verified.err;
  EXPECT_NE(verified.out.find("damaged  graph/backup_incr_0002.wal: its CRC is"), std::string::npos)
      << verified.out;
  EXPECT_NE(verified.out.find("costs epoch 5\n"), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find("costs epochs 8 to 10\n"), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find("2 damaged places: 1 database"), std::string::npos) << verified.out;
  const Json json = json_of({"verify", graph_}, 4);
  EXPECT_EQ(json.at("sound"), false);
  ASSERT_EQ(json.at("damage").size(), 2U);
  EXPECT_EQ(json.at("damage").at(0).at("database"), "graph");
  EXPECT_EQ(json.at("damage").at(0).at("object"), "backup_incr_0002.wal");
  EXPECT_EQ(json.at("damage").at(0).at("first_lost"), 5);
  EXPECT_EQ(json.at("damage").at(1).at("last_lost"), 10);
  // Fulls take long to read, and are not, on request.
  EXPECT_EQ(json_of({"verify", graph_, "--quick"}, 4).at("damage").size(), 1U);
}

TEST_P(GrafeoCommandTest, VerifyAsksOfNoIndexWhatItCanReadItself) {
  must({"info", graph_});
  const auto modified = files::last_write_time(db_.file(1));
  flip_last_byte(db_.file(1));
  files::last_write_time(db_.file(1), modified);
  EXPECT_EQ(epochfs({"verify", graph_}).exit_code, 4);
}

// --- diff, restore ---

TEST_P(GrafeoCommandTest, DiffTellsWhatWasCommitted) {
  const auto& expected = db_.expected();
  const Json json = json_of({"diff", at("2..5")});
  EXPECT_EQ(json.at("epochs"), 3);
  EXPECT_EQ(json.at("transactions"), 3);
  EXPECT_EQ(json.at("records"),
            expected.at(3).records + expected.at(4).records + expected.at(5).records);
  EXPECT_EQ(json.at("complete"), true);
  EXPECT_EQ(json_of({"diff", at("5..8")}).at("complete"), false);
  const ProcessResult text = epochfs({"diff", at("2..5")});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("in 3 transactions, 3 epochs"), std::string::npos) << text.out;
  EXPECT_EQ(epochfs({"diff", at("2..6")}).exit_code, 5);
}

TEST_P(GrafeoCommandTest, RestoreMakesAnImageAndALog) {
  const Json json = json_of({"restore", at("4"), path("out")});
  const auto& expected = db_.expected().at(4);
  EXPECT_EQ(json.at("epoch"), 4);
  EXPECT_EQ(json.at("log_directory"), path("out.wal"));
  EXPECT_EQ(json.at("size_bytes"), expected.image.size() + expected.log.size());
  EXPECT_TRUE(content_of(path("out")) == expected.image);
  EXPECT_TRUE(content_of(path("out.wal/") + expected.log_name) == expected.log);
  EXPECT_EQ(epochfs({"restore", at("4"), path("out")}).exit_code, 6);
  EXPECT_EQ(epochfs({"restore", at("8"), path("out"), "--force"}).exit_code, 0);
  EXPECT_FALSE(files::exists(path("out.wal")));
  EXPECT_EQ(epochfs({"restore", at("6"), path("hole")}).exit_code, 5);
  EXPECT_EQ(epochfs({"restore", at("4"), "-"}).exit_code, 2);
  EXPECT_TRUE(epochfs({"restore", at("8"), "-"}).out == db_.expected().at(8).image);
}

TEST_P(GrafeoCommandTest, RestoreGivesNothingOfADamagedEpoch) {
  flip_last_byte(db_.file(0));
  const ProcessResult refused = epochfs({"restore", at("4"), path("out")});
  EXPECT_EQ(refused.exit_code, 4) << refused.err;
  EXPECT_NE(refused.err.find("backup_full_0000.grafeo: its CRC is"), std::string::npos)
      << refused.err;
  EXPECT_FALSE(files::exists(path("out")));
  EXPECT_FALSE(files::exists(path("out.wal")));
  EXPECT_EQ(epochfs({"restore", at("9"), path("out")}).exit_code, 0);
}

// --- several below one directory ---

class GrafeoParentTest : public CommandTest {
 protected:
  GrafeoParentTest() {
    flip_last_byte(damaged_.file(3));
    files::create_directories(parent_ + "/garbage");
    write_file(parent_ + "/garbage/backup_manifest.json", "{\"version\":");
    files::create_directories(parent_ + "/other");
    write_file(parent_ + "/note.txt", "not a database");
  }
  const std::string parent_ = path("parent");
  GrafeoBuilder good_ = history(parent_ + "/good", Generation::kV1);
  GrafeoBuilder damaged_ = history(parent_ + "/damaged", Generation::kV2);
};

TEST_F(GrafeoParentTest, TellsOfEachDatabaseWhateverTheOthersAreLike) {
  const ProcessResult info = epochfs({"info", parent_, "--json"});
  EXPECT_EQ(info.exit_code, 3) << info.err;
  const Json databases = Json::parse(info.out).at("databases");
  ASSERT_EQ(databases.size(), 3U);
  EXPECT_EQ(databases.at(0).at("name"), "damaged");
  EXPECT_EQ(databases.at(0).at("epochs"), 7);
  EXPECT_EQ(databases.at(1).at("name"), "garbage");
  EXPECT_EQ(databases.at(1).at("epochs"), 0);
  EXPECT_EQ(databases.at(1).at("problems").size(), 1U);
  EXPECT_EQ(databases.at(2).at("name"), "good");
  EXPECT_EQ(databases.at(2).at("problems"), Json::array());
  EXPECT_EQ(epochfs({"info", parent_ + "#good"}).exit_code, 0);
}

TEST_F(GrafeoParentTest, VerifiesEachDatabaseWhateverTheOthersAreLike) {
  const ProcessResult verified = epochfs({"verify", parent_, "--json"});
  EXPECT_EQ(verified.exit_code, 4) << verified.err;
  const Json json = Json::parse(verified.out);
  EXPECT_EQ(json.at("databases"), 3);
  EXPECT_EQ(json.at("epochs"), 14);
  ASSERT_EQ(json.at("damage").size(), 2U);
  EXPECT_EQ(json.at("damage").at(0).at("database"), "damaged");
  EXPECT_EQ(json.at("damage").at(0).at("object"), "backup_full_0003.grafeo");
  EXPECT_EQ(json.at("damage").at(1).at("database"), "garbage");
  EXPECT_EQ(json.at("damage").at(1).at("object"), "backup_manifest.json");
  EXPECT_TRUE(json.at("damage").at(1).at("first_lost").is_null());
  EXPECT_EQ(epochfs({"verify", parent_ + "#good"}).exit_code, 0);
  EXPECT_EQ(epochfs({"verify", parent_ + "#none"}).exit_code, 1);
}

TEST_F(GrafeoParentTest, WantsANameWhereThereAreSeveral) {
  const ProcessResult log = epochfs({"log", parent_});
  EXPECT_EQ(log.exit_code, 2) << log.err;
  EXPECT_NE(log.err.find("good"), std::string::npos) << log.err;
  EXPECT_EQ(lines_of(epochfs({"log", parent_ + "#good"}).out).size(), 7U);
  EXPECT_EQ(epochfs({"log", parent_ + "#garbage"}).exit_code, 4);
  EXPECT_EQ(epochfs({"log", parent_ + "#other"}).exit_code, 1);
  EXPECT_EQ(epochfs({"log", parent_ + "/other"}).exit_code, 10);
  must({"restore", parent_ + "#damaged@4", path("out")});
  EXPECT_EQ(epochfs({"restore", parent_ + "#damaged@9", path("out2")}).exit_code, 4);
}

// --- names that somebody chose ---

TEST_F(CommandTest, PrintsNoNameOfASegmentThatCouldDoHarm) {
  for (const std::string& name :
       std::vector<std::string>{"\x1b[2J\x1b[31msegment", "a\nsound: all", "\xff\xfe",
                                "../../etc/passwd", std::string("a\0b", 3), ".hidden"}) {
    SCOPED_TRACE(name);
    engine::ByteWriter manifest;
    for (const std::uint64_t number : {1, 1, 0}) engine::grafeo::put_number(manifest, number);
    engine::grafeo::put_string(manifest, name);
    for (const std::uint64_t number : {0, 7, 1, 2, 3}) engine::grafeo::put_number(manifest, number);
    files::create_directories(path("graph"));
    write_file(path("graph/backup_manifest.json"), engine::as_text(manifest.view()));
    for (const auto& [word, code] : {std::pair("info", 3), std::pair("verify", 4)}) {
      const ProcessResult text = epochfs({word, path("graph")});
      EXPECT_EQ(text.exit_code, code) << text.out << text.err;
      EXPECT_TRUE(is_harmless(text.out)) << text.out;
      EXPECT_EQ(text.out.find("\nsound: all"), std::string::npos);
      const ProcessResult json = epochfs({word, path("graph"), "--json"});
      EXPECT_EQ(json.exit_code, code) << json.out << json.err;
      EXPECT_TRUE(Json::accept(json.out)) << json.out;
    }
    const ProcessResult log = epochfs({"log", path("graph")});
    EXPECT_TRUE(is_harmless(log.out + log.err)) << log.out << log.err;
    const ProcessResult restore = epochfs({"restore", path("graph") + "@7", path("out")});
    EXPECT_EQ(restore.exit_code, 5) << restore.err;
    EXPECT_TRUE(is_harmless(restore.err)) << restore.err;
  }
}

}  // namespace
}  // namespace epochfs::test
