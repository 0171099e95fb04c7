#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

using UsageTest = CommandTest;

struct WrongWords {
  const char* name;
  std::vector<std::string> words;
  const char* error;   // part of the first line on stderr
  const char* advice;  // part of the second
};

std::ostream& operator<<(std::ostream& out, const WrongWords& words) { return out << words.name; }

class WrongWordsTest : public CommandTest, public ::testing::WithParamInterface<WrongWords> {};

TEST_P(WrongWordsTest, ExitsTwoAndSaysWhatToDo) {
  const ProcessResult result = epochfs(GetParam().words);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  const auto lines = lines_of(result.err);
  ASSERT_EQ(lines.size(), 2U) << result.err;
  EXPECT_TRUE(lines[0].starts_with("epochfs: ")) << result.err;
  EXPECT_NE(lines[0].find(GetParam().error), std::string::npos) << result.err;
  EXPECT_TRUE(lines[1].starts_with("  try: ")) << result.err;
  EXPECT_NE(lines[1].find(GetParam().advice), std::string::npos) << result.err;
}

const WrongWords kWrongWords[] = {
    {"UnknownCommand", {"frobnicate"}, "no such command: frobnicate", "epochfs --help"},
    {"MistypedCommand", {"bakcup"}, "no such command: bakcup", "did you mean `epochfs backup`?"},
    {"Unmount", {"unmount", "/mnt"}, "no such command", "did you mean `epochfs umount`?"},
    {"OptionFirst", {"--json", "log"}, "a command comes first", "epochfs --help"},
    {"ControlBytes", {"\x1b[2J"}, "\\x1b[2J", "epochfs --help"},
    {"MissingArgument", {"backup", "app.db"}, "REPO", "epochfs backup --help"},
    {"SpareArgument", {"init", "a", "b"}, "b", "epochfs init --help"},
    {"UnknownOption", {"log", "--jsn", "r"}, "--jsn", "epochfs log --help"},
    {"NotANumber", {"log", "--limit", "many", "r"}, "many", "epochfs log --help"},
    {"NegativeCount", {"log", "-n", "-1", "r"}, "-1", "epochfs log --help"},
    {"CountBeyondAllNumbers",
     {"log", "-n", "99999999999999999999", "r"},
     "99999999999999999999",
     "epochfs log --help"},
    {"UnknownEngine", {"backup", "--engine", "db2", "a", "r"}, "db2", "epochfs backup --help"},
    {"TwoNames", {"backup", "--name", "a", "x.db", "r#b"}, "two names", "epochfs backup --help"},
    {"SelectorForAll", {"log", "r@3"}, "takes no @SELECTOR", "epochfs log --help"},
    {"DirectoryLikeASelector", {"log", "my@r"}, "a directory of that name is my@r/", "log --help"},
    {"EmptyMoment", {"log", "--since", "", "r"}, "a value is missing", "epochfs log --help"},
    {"EmptyEngine", {"backup", "--engine", "", "a", "r"}, "a value is missing", "backup --help"},
    {"EmptyFormat", {"backup", "--format", "", "a", "r"}, "a value is missing", "backup --help"},
    {"EmptySize", {"mount", "--cache", "", "r", "/mnt"}, "a value is missing", "mount --help"},
    {"DatabaseWithAMark",
     {"backup", "a", "r", "--name", "x#y"},
     "'x#y' cannot name",
     "backup --help"},
    {"DatabaseForInit", {"init", "r#app"}, "no databases yet", "epochfs init --help"},
    {"OneEpochToCompare", {"diff", "r@3"}, "two epochs", "epochfs diff REPO@A..B"},
    {"JsonIntoData", {"restore", "r", "-", "--json"}, "--json", "epochfs restore --help"},
    {"MountOption", {"mount", "r", "/mnt", "-o", "ro,dax"}, "dax", "epochfs mount --help"},
    {"TwoCacheSizes",
     {"mount", "r", "/mnt", "--cache", "1G", "-o", "ro,cache=2G"},
     "two values: --cache 1G and -o cache=2G",
     "epochfs mount --help"},
    {"TwoCacheDirectories",
     {"mount", "r", "/mnt", "--cache-dir", "x", "-o", "cache_dir=y"},
     "two values: --cache-dir x",
     "epochfs mount --help"},
    {"TwoEndpoints",
     {"mount", "r", "/mnt", "--endpoint-url", "http://a", "-o", "endpoint_url=http://b"},
     "two values: --endpoint-url http://a",
     "epochfs mount --help"},
    {"CacheThatIsAList", {"mount", "r", "/mnt", "--cache", "1M,ro"}, "1M,ro", "mount --help"},
};
INSTANTIATE_TEST_SUITE_P(Words, WrongWordsTest, ::testing::ValuesIn(kWrongWords),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(UsageTest, ShowsTheOverviewWhenAskedForNothing) {
  const ProcessResult result = epochfs({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("Usage: epochfs COMMAND"), std::string::npos);
}

TEST_F(UsageTest, AnswersHelpOnStdout) {
  for (const auto& words : {std::vector<std::string>{"--help"}, {"-h"}, {"help"}}) {
    const ProcessResult result = epochfs(words);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_NE(result.out.find("Usage: epochfs COMMAND"), std::string::npos);
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(UsageTest, HelpsWithEveryCommandThatTheOverviewNames) {
  std::size_t helped = 0;
  for (const std::string& line : lines_of(epochfs({"--help"}).out)) {
    if (!line.starts_with("  ") || line.starts_with("  epochfs")) {
      if (line.starts_with("A first walk")) break;
      continue;
    }
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    const ProcessResult result = epochfs({name, "--help"});
    EXPECT_EQ(result.exit_code, 0) << name;
    EXPECT_NE(result.out.find("Usage: epochfs " + name), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("Example"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("--cache-dir DIR"), std::string::npos) << result.out;
    EXPECT_EQ(epochfs({"help", name}).out, result.out);
    ++helped;
  }
  EXPECT_EQ(helped, 14U);
}

TEST_F(UsageTest, TellsItsVersion) {
  const ProcessResult result = epochfs({"version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out.starts_with("epochfs ")) << result.out;
  EXPECT_EQ(epochfs({"--version"}).out, result.out);
  const Json json = Json::parse(epochfs({"version", "--json"}).out);
  EXPECT_EQ("epochfs " + json.at("version").get<std::string>(), lines_of(result.out)[0]);
  EXPECT_EQ(json.at("repository_format"), 1);
  for (const char* library : {"libfuse", "sqlite", "zstd", "lmdb"})
    EXPECT_NE(json.at("built_with").at(library), "") << library;
}

TEST_F(UsageTest, FailsWhenStdoutIsFull) {
  const ProcessResult result = epochfs({"version"}, {.output_path = "/dev/full"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(lines_of(result.err).at(0), "epochfs: standard output: No space left on device");
}

TEST_F(UsageTest, FailsWhenStdoutIsClosed) {
  EXPECT_EQ(shell("exec \"$epochfs\" version >&-").exit_code, 1);
}

TEST_F(UsageTest, EndsQuietlyWhenNobodyReadsStdout) {
  // Also where a service started it with SIGPIPE ignored.
  const ProcessResult result = shell(
      "trap '' PIPE; mkfifo pipe; exec 3<>pipe 4>pipe 3<&-; \"$epochfs\" version >&4; echo $?");
  EXPECT_EQ(result.out, "141\n");
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace epochfs::test
