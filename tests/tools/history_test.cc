// The commands that tell about a repository: log, info, verify, diff.

#include <algorithm>
#include <filesystem>

#include "tests/tools/repository_test_base.h"

namespace epochfs::test {
namespace {

using LogTest = RepositoryTest;
using InfoTest = RepositoryTest;
using VerifyTest = RepositoryTest;
using DiffTest = RepositoryTest;
using NoRepositoryTest = CommandTest;

std::vector<std::uint64_t> epochs_in(const std::vector<std::string>& lines) {
  std::vector<std::uint64_t> epochs;
  for (const std::string& line : lines) epochs.push_back(std::stoull(line));
  return epochs;
}

using Epochs = std::vector<std::uint64_t>;

TEST_F(LogTest, ListsTheNewestEpochFirst) {
  const ProcessResult result = epochfs({"log", repository_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(epochs_in(lines_of(result.out)), (Epochs{8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_NE(lines_of(result.out)[0].find("commit"), std::string::npos) << result.out;
  EXPECT_NE(lines_of(result.out)[7].find("page-diff"), std::string::npos) << result.out;
}

TEST_F(LogTest, ListsOnlyWhatIsAskedFor) {
  const auto listed = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"log", repository_});
    return epochs_in(lines_of(epochfs(options).out));
  };
  EXPECT_EQ(listed({"--reverse"}), (Epochs{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(listed({"--limit", "3"}), (Epochs{8, 7, 6}));
  EXPECT_EQ(listed({"-n", "3", "--reverse"}), (Epochs{6, 7, 8}));
  EXPECT_EQ(listed({"--limit", "0"}), Epochs());
  EXPECT_EQ(listed({"--limit", "0", "--reverse"}), Epochs());
  EXPECT_EQ(listed({"--since", "1h-ago"}).size(), 8U);
  EXPECT_EQ(listed({"--since", "2200-01-01"}), Epochs());
  const Json second = Json::parse(lines_of(epochfs({"log", repository_, "--json"}).out).at(6));
  ASSERT_EQ(second.at("epoch"), 2);
  EXPECT_EQ(listed({"--since", second.at("committed")}), (Epochs{8, 7, 6, 5, 4, 3, 2}));
  EXPECT_EQ(listed({"--since", second.at("committed"), "--reverse", "-n", "2"}), (Epochs{7, 8}));
}

TEST_F(LogTest, WritesJsonLines) {
  for (const std::string& line : lines_of(epochfs({"log", repository_, "--json"}).out)) {
    const Json json = Json::parse(line);
    EXPECT_EQ(json.at("size_bytes"), image(json.at("epoch")).size());
    EXPECT_EQ(json.at("committed").get<std::string>().size(), 30U);  // nanoseconds, UTC
    EXPECT_EQ(json.at("state_hash").get<std::string>().size(), 32U);
  }
}

TEST_F(LogTest, RefusesWhatIsNoMoment) {
  const ProcessResult result = epochfs({"log", repository_, "--since", "soon"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("soon"), std::string::npos);
}

TEST_F(LogTest, WantsToKnowWhichOfSeveralDatabases) {
  must({"backup", "--name", "other", database_, repository_});
  const ProcessResult unclear = epochfs({"log", repository_});
  EXPECT_EQ(unclear.exit_code, 2);
  EXPECT_NE(unclear.err.find("app, other"), std::string::npos) << unclear.err;
  EXPECT_EQ(epochfs({"log", repository_ + "#app"}).exit_code, 0);
  const ProcessResult unknown = epochfs({"log", repository_ + "#third"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("app, other"), std::string::npos) << unknown.err;
  EXPECT_NE(unknown.err.find("epochfs info"), std::string::npos) << unknown.err;
}

using OneEpochTest = CommandTest;

TEST_F(OneEpochTest, IsSpokenOfAsOne) {
  const SqliteHistory history(path("app.db"), 10);
  must({"backup", path("app.db"), path("r")});
  const std::string info = epochfs({"info", path("r")}).out;
  EXPECT_NE(info.find("  epochs    1, number 1\n"), std::string::npos) << info;
  EXPECT_NE(info.find(" in 1 full and 0 incremental segments\n"), std::string::npos) << info;
  EXPECT_NE(epochfs({"restore", path("r@2"), "-"}).err.find("there is only epoch 1"),
            std::string::npos);
  const std::string doctor = epochfs({"doctor", path("r")}).out;
  EXPECT_NE(doctor.find("1 object, 1 directory"), std::string::npos) << doctor;
}

TEST_F(InfoTest, TellsWhatCanBeRestored) {
  const ProcessResult result = epochfs({"info", repository_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("app: app.db (sqlite)"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("8, from 1 to 8"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("1 full and 2 incremental"), std::string::npos) << result.out;

  const Json json = json_of({"info", repository_ + "#app", "--json"});
  const Json& database = json.at("databases").at(0);
  EXPECT_EQ(database.at("epochs"), 8);
  EXPECT_EQ(database.at("oldest").at("epoch"), 1);
  EXPECT_EQ(database.at("newest").at("epoch"), 8);
  EXPECT_EQ(database.at("fulls"), 1);
  EXPECT_EQ(database.at("incrementals"), 2);
  EXPECT_EQ(database.at("problems"), Json::array());
}

TEST_F(InfoTest, ExitsThreeWhenSomethingIsMissing) {
  for (const auto& entry : std::filesystem::directory_iterator(repository_ + "/app")) {
    if (entry.path().filename().string().starts_with("incr-6"))
      std::filesystem::remove(entry.path());
  }
  const ProcessResult result = epochfs({"info", repository_});
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_NE(result.out.find("problem"), std::string::npos) << result.out;
  const ProcessResult json = epochfs({"info", repository_, "--json"});
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_EQ(Json::parse(json.out).at("databases").at(0).at("problems").size(), 1U);
}

TEST_F(InfoTest, TellsOfAnEmptyRepository) {
  must({"init", path("empty")});
  const ProcessResult result = epochfs({"info", path("empty")});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.out.find("no databases yet"), std::string::npos) << result.out;
  EXPECT_EQ(epochfs({"log", path("empty")}).exit_code, 1);
}

TEST_F(VerifyTest, FindsASoundRepositorySound) {
  for (const auto& options : {std::vector<std::string>{}, {"--quick"}}) {
    std::vector<std::string> words = {"verify", repository_};
    words.insert(words.end(), options.begin(), options.end());
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_TRUE(lines_of(result.out).back().starts_with("sound: 1 database, 3 segments, 8 epochs"))
        << result.out;
  }
  const Json json = json_of({"verify", repository_, "--json"});
  EXPECT_EQ(json.at("sound"), true);
  EXPECT_EQ(json.at("quick"), false);
  EXPECT_EQ(json.at("epochs"), 8);
  EXPECT_EQ(json.at("damage"), Json::array());
}

TEST_F(VerifyTest, ExitsFourAndNamesTheDamage) {
  std::string damaged;
  for (const auto& entry : std::filesystem::directory_iterator(repository_ + "/app")) {
    if (!entry.path().filename().string().starts_with("incr-2")) continue;
    damaged = entry.path().filename();
    std::string content = content_of(entry.path());
    // More than the four bytes of a frame's checksum, which nobody needs.
    for (std::size_t i = 0; i < 8; ++i) content[content.size() / 3 + i] ^= 0x10;
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
    write_file(entry.path(), content);
  }
  ASSERT_NE(damaged, "");
  const ProcessResult result = epochfs({"verify", repository_});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_TRUE(result.out.starts_with("damaged  app/" + damaged)) << result.out;
  EXPECT_NE(result.out.find("; costs epoch"), std::string::npos) << result.out;
  EXPECT_NE(lines_of(result.out).back().find("damaged place"), std::string::npos) << result.out;

  // Also where nobody can be told.
  EXPECT_EQ(epochfs({"verify", repository_}, {.output_path = "/dev/full"}).exit_code, 4);

  const ProcessResult machine = epochfs({"verify", repository_, "--json"});
  EXPECT_EQ(machine.exit_code, 4);
  const Json json = Json::parse(machine.out);
  EXPECT_EQ(json.at("sound"), false);
  EXPECT_GE(json.at("damage").at(0).at("first_lost"), 2);
}

TEST_F(VerifyTest, KnowsThatADatabaseIsNotThere) {
  const ProcessResult result = epochfs({"verify", repository_ + "#third"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("epochfs info"), std::string::npos) << result.err;
}

// Pages of 4096 bytes that differ, as the images say it.
std::size_t pages_that_differ(const std::string& from, const std::string& to) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < to.size(); at += 4096)
    count += at >= from.size() || from.compare(at, 4096, to, at, 4096) != 0 ? 1 : 0;
  return count;
}

TEST_F(DiffTest, CountsThePagesThatDiffer) {
  const Json json = json_of({"diff", at("2..7"), "--json", "--ranges"});
  EXPECT_EQ(json.at("from").at("epoch"), 2);
  EXPECT_EQ(json.at("to").at("epoch"), 7);
  EXPECT_EQ(json.at("same"), false);
  const std::size_t pages = pages_that_differ(image(2), image(7));
  EXPECT_EQ(json.at("pages_changed").get<std::size_t>() + json.at("pages_added").get<std::size_t>(),
            pages);
  EXPECT_EQ(json.at("bytes_changed"), pages * 4096);
  std::size_t listed = 0;
  for (const Json& range : json.at("ranges"))
    listed += range.at("last").get<std::size_t>() - range.at("first").get<std::size_t>() + 1;
  EXPECT_EQ(listed, pages);
  EXPECT_FALSE(json_of({"diff", at("2..7"), "--json"}).contains("ranges"));
}

TEST_F(DiffTest, ComparesWithTheLatestByDefault) {
  EXPECT_EQ(epochfs({"diff", at("2..")}).out, epochfs({"diff", at("2..latest")}).out);
  EXPECT_EQ(json_of({"diff", at("8.."), "--json"}).at("same"), true);
  EXPECT_EQ(epochfs({"diff", at("2..9")}).exit_code, 5);
}

TEST_F(NoRepositoryTest, ExitsTenEverywhere) {
  const std::string nowhere = path("nowhere");
  const std::vector<std::vector<std::string>> kAsked = {
      {"log", nowhere},           {"info", nowhere},
      {"verify", nowhere},        {"restore", nowhere, path("out")},
      {"diff", nowhere + "@1.."}, {"mount", nowhere, path("")},
  };
  for (const auto& words : kAsked) {
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, 10) << words[0] << result.err;
    EXPECT_NE(result.err.find("epochfs init"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace epochfs::test
