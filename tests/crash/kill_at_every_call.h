// Kills a program at each of its system calls that change anything, one run for each.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {

class KillAtEveryCall {
 public:
  static constexpr int kKilled = 128 + 9;

  // Brings everything to the state before the run.
  std::function<void()> prepare;
  // Runs the program behind the words `under`.
  std::function<ProcessResult(std::vector<std::string> under)> run;
  // Looks at what a killed run left.
  std::function<void(const ProcessResult&)> check;

  void kill_everywhere() const {
    ASSERT_EQ(test::run({"strace", "-V"}).exit_code, 0) << "this test needs strace";
    int kills = 0;
    for (const auto& [call, count] : count_calls()) {
      for (int n = 1; n <= count; ++n) {
        SCOPED_TRACE(testing::Message() << call << " number " << n << " of " << count);
        prepare();
        const std::string inject = "inject=" + call + ":signal=KILL:when=" + std::to_string(n);
        const ProcessResult killed =
            run({"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", inject});
        kills += killed.exit_code == kKilled ? 1 : 0;
        check(killed);
        if (testing::Test::HasFailure()) return;
      }
    }
    EXPECT_GE(kills, 20) << "hardly anything was killed: did the calls change their names?";
  }

 private:
  static constexpr const char* kCalls =
      "write,pwrite64,fsync,fdatasync,rename,linkat,unlink,mkdir,unlinkat,renameat2,msync,"
      "ftruncate,mkdirat";

  // How often each of the calls happens in one run.
  [[nodiscard]] std::map<std::string, int> count_calls() const {
    prepare();
    const TemporaryDirectory directory;
    const std::string log = directory / "calls";
    const ProcessResult result =
        run({"strace", "-f", "-qq", "-o", log, "-e", std::string("trace=") + kCalls});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    // strace counts for each thread by itself, and the thread that has most of a call decides how
    // far to go.
    std::map<std::string, std::map<std::string, int>> counts;
    std::ifstream lines(log);
    const std::regex pattern(R"((\d+) +(\w+)\(.*)");
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_match(line, match, pattern)) ++counts[match[2]][match[1]];
    }
    std::map<std::string, int> most;
    for (const auto& [call, threads] : counts)
      for (const auto& [thread, count] : threads) most[call] = std::max(most[call], count);
    return most;
  }
};

}  // namespace epochfs::test
