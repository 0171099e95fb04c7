#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/tools/repository_test_base.h"

namespace epochfs::test {
namespace {

using RestoreTest = RepositoryTest;

TEST_F(RestoreTest, WritesEveryEpochByteForByte) {
  for (std::size_t epoch = 1; epoch <= kEpochs; ++epoch) {
    const std::string out = path("out-" + std::to_string(epoch));
    const ProcessResult result = epochfs({"restore", at(std::to_string(epoch)), out});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(result.out.starts_with("restored epoch " + std::to_string(epoch) + " of "))
        << result.out;
    EXPECT_TRUE(content_of(out) == image(epoch)) << "epoch " << epoch;
  }
}

TEST_F(RestoreTest, StreamsToStdout) {
  const ProcessResult result = epochfs({"restore", at("3"), "-"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out == image(3));
  EXPECT_EQ(result.err, "");
}

TEST_F(RestoreTest, UnderstandsSelectors) {
  const Json log = Json::parse(lines_of(epochfs({"log", repository_, "--json"}).out).at(4));
  ASSERT_EQ(log.at("epoch"), 4);
  // Epochs that were captured together share a commit time: the last of them answers for it.
  const std::pair<std::string, std::size_t> kSelectors[] = {
      {"latest", 8}, {"latest~2", 6}, {"now", 8}, {"0s-ago", 8}, {log.at("committed"), 5},
  };
  for (const auto& [selector, epoch] : kSelectors) {
    EXPECT_TRUE(epochfs({"restore", at(selector), "-"}).out == image(epoch)) << selector;
    EXPECT_TRUE(epochfs({"restore", repository_ + "#app@" + selector, "-"}).out == image(epoch));
  }
  EXPECT_TRUE(epochfs({"restore", repository_, "-"}).out == image(8));
}

TEST_F(RestoreTest, ExitsFiveForAnEpochThatIsNotThere) {
  for (const char* selector : {"9", "0", "latest~8", "2001-01-01"}) {
    const ProcessResult result = epochfs({"restore", at(selector), path("out")});
    EXPECT_EQ(result.exit_code, 5) << selector << result.err;
    EXPECT_NE(result.err.find("epochfs log"), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(path("out")));
  }
  EXPECT_NE(epochfs({"restore", at("9"), "-"}).err.find("1 to 8"), std::string::npos);
}

TEST_F(RestoreTest, ExitsTwoForWhatIsNoSelector) {
  const ProcessResult result = epochfs({"restore", at("yesterday-ish"), path("out")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("yesterday-ish"), std::string::npos) << result.err;
}

TEST_F(RestoreTest, RefusesAnExistingOutputWithoutForce) {
  write_file(path("out"), "precious");
  const ProcessResult refused = epochfs({"restore", repository_, path("out")});
  EXPECT_EQ(refused.exit_code, 6);
  EXPECT_NE(refused.err.find("--force"), std::string::npos) << refused.err;
  EXPECT_EQ(content_of(path("out")), "precious");
  must({"restore", "--force", repository_, path("out")});
  EXPECT_TRUE(content_of(path("out")) == image(8));
}

// An older state must not pass for the newest.
TEST_F(RestoreTest, SaysThatNewerEpochsMayBeMissing) {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(repository_ + "/app")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("incr-")) newest = std::max(newest, entry.path().string());
  }
  ASSERT_FALSE(newest.empty());
  std::filesystem::remove(newest);
  std::filesystem::remove_all(path("cache"));
  for (const auto& words : {std::vector<std::string>{"restore", repository_, path("out")},
                            {"log", repository_},
                            {"restore", repository_, "-"}}) {
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find("1 object cannot be used, so epochs may be missing"),
              std::string::npos)
        << result.err;
  }
}

TEST_F(RestoreTest, WritesNothingIntoTheRepository) {
  std::filesystem::create_directory_symlink(repository_, path("link"));
  std::string full;
  for (const auto& entry : std::filesystem::directory_iterator(repository_ + "/app"))
    if (entry.path().filename().string().starts_with("full-")) full = entry.path();
  ASSERT_FALSE(full.empty());
  for (const auto& output : {full, repository_, repository_ + "/app", path("link/app/other.db")})
    EXPECT_EQ(epochfs({"restore", "--force", repository_, output}).exit_code, 2) << output;
  const std::string cache = repository_ + "/cache";
  EXPECT_EQ(epochfs({"log", repository_, "--cache-dir", cache}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(cache));
  must({"verify", repository_});
}

TEST_F(RestoreTest, SaysWhatIsWrongWithAPlace) {
  const ProcessResult nowhere = epochfs({"restore", path("nowhere"), path("out")});
  EXPECT_NE(nowhere.err.find("no such directory"), std::string::npos) << nowhere.err;
  std::filesystem::remove(repository_ + "/app/manifest.json");
  const ProcessResult verified = epochfs({"verify", repository_});
  EXPECT_EQ(verified.exit_code, 4);
  EXPECT_NE(verified.out.find("costs every epoch"), std::string::npos) << verified.out;
}

TEST_F(RestoreTest, FillsADirectoryUnderTheDatabasesOwnName) {
  std::filesystem::create_directory(path("there"));
  must({"restore", at("2"), path("there")});
  EXPECT_TRUE(content_of(path("there/app.db")) == image(2));
}

TEST_F(RestoreTest, GivesTheFileToItsOwnerAlone) {
  const ProcessResult result =
      shell(R"(umask 0; "$epochfs" restore ')" + repository_ + "' out.db && stat -c %a out.db");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(lines_of(result.out).back(), "600");
}

TEST_F(RestoreTest, AnswersInJson) {
  const Json json = json_of({"restore", at("5"), path("out"), "--json"});
  EXPECT_EQ(json.at("command"), "restore");
  EXPECT_EQ(json.at("database"), "app");
  EXPECT_EQ(json.at("epoch"), 5);
  EXPECT_EQ(json.at("output"), path("out"));
  EXPECT_EQ(json.at("size_bytes"), image(5).size());
  EXPECT_EQ(json.at("state_hash").get<std::string>().size(), 32U);
}

TEST_F(RestoreTest, KeepsADatabaseOffTheTerminal) {
  const ProcessResult result = epochfs({"restore", repository_, "-"}, {.output_is_terminal = true});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("> FILE"), std::string::npos) << result.err;
}

TEST_F(RestoreTest, FailsWhenStdoutIsFull) {
  const ProcessResult result = epochfs({"restore", repository_, "-"}, {.output_path = "/dev/full"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("where stdout goes"), std::string::npos) << result.err;
}

TEST_F(RestoreTest, SaysWhereItCannotWrite) {
  const ProcessResult result = epochfs({"restore", repository_, path("nowhere/out")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("nowhere"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace epochfs::test
