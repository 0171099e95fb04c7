#include "tests/support/process.h"

#include <gtest/gtest.h>

#include <csignal>

namespace epochfs::test {
namespace {

TEST(ProcessTest, TellsExitCodeAndBothOutputs) {
  const ProcessResult result = run({"sh", "-c", "echo answer; echo trouble >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "answer\n");
  EXPECT_EQ(result.err, "trouble\n");
  EXPECT_FALSE(result.timed_out);
}

TEST(ProcessTest, TakesMoreThanAPipeHolds) {
  EXPECT_EQ(run({"head", "-c", "3000000", "/dev/zero"}).out, std::string(3'000'000, '\0'));
}

TEST(ProcessTest, HandsOverEnvironmentDirectoryAndName) {
  ProcessOptions options;
  options.environment = {{"EPOCHFS_TEST_WORD", "blue"}};
  options.working_directory = "/usr";
  EXPECT_EQ(run({"sh", "-c", "echo $EPOCHFS_TEST_WORD; pwd"}, options).out, "blue\n/usr\n");
  options.argv0 = "another-name";
  EXPECT_EQ(run({"/bin/sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline | cut -d' ' -f1"}, options).out,
            "another-name\n");
}

TEST(ProcessTest, DoesNotWaitForWhatRunsOnInTheBackground) {
  const ProcessResult result = run({"sh", "-c", "sleep 300 & echo $!"});
  EXPECT_EQ(result.exit_code, 0);
  ::kill(std::stoi(result.out), SIGKILL);
}

TEST(ProcessTest, KillsWhatTakesTooLong) {
  const ProcessResult result =
      run({"sh", "-c", "echo begun; sleep 300"}, {.timeout = std::chrono::milliseconds(300)});
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
}

TEST(ProcessTest, GivesATerminalWhenAsked) {
  const std::vector<std::string> who = {"sh", "-c", "test -t 1; echo $?; test -t 2; echo $? >&2"};
  EXPECT_EQ(run(who).out, "1\n");
  EXPECT_EQ(run(who, {.output_is_terminal = true}).out, "0\r\n");
  EXPECT_EQ(run(who, {.error_is_terminal = true}).err, "0\r\n");
}

TEST(ProcessTest, SignalsAProgramOnceItHasSpoken) {
  Process process({"sh", "-c", "echo ready; exec sleep 300"});
  ASSERT_TRUE(process.wait_for("ready"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait().exit_code, 128 + SIGTERM);
  EXPECT_FALSE(process.wait_for("never said"));
}

TEST(ProcessTest, SaysSoWhenThereIsNoSuchProgram) {
  EXPECT_EQ(run({"/nonexistent/program"}).exit_code, 127);
}

}  // namespace
}  // namespace epochfs::test
