// Kills a program at each of its system calls that change anything, one run for each.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/traced_calls.h"
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
  int kills_min = 20;  // with fewer the test has missed something

  void kill_everywhere() const {
    ASSERT_EQ(test::run({"strace", "-V"}).exit_code, 0) << "this test needs strace";
    int kills = 0;
    for (const auto& [call, numbers] : changing_calls()) {
      for (const int n : numbers) {
        SCOPED_TRACE(testing::Message() << call << " number " << n << " of " << *numbers.rbegin());
        prepare();
        const std::string inject = "inject=" + call + ":signal=KILL:when=" + std::to_string(n);
        const ProcessResult killed =
            run({"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", inject});
        kills += killed.exit_code == kKilled ? 1 : 0;
        check(killed);
        if (testing::Test::HasFailure()) return;
      }
    }
    EXPECT_GE(kills, kills_min) << "hardly anything was killed: did the calls change their names?";
  }

 private:
  // The numbers of those calls in one run. strace counts for each thread by itself, and so does
  // this.
  [[nodiscard]] std::map<std::string, std::set<int>> changing_calls() const {
    prepare();
    const TemporaryDirectory directory;
    const std::string log = directory / "calls";
    const ProcessResult result = run({"strace", "-f", "-qq", "-o", log});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::map<std::string, std::map<std::string, int>> counts;  // call, thread
    std::map<std::string, std::set<int>> numbers;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) {
      const auto call = call_in(line);
      if (!call) continue;
      const int number = ++counts[call->name][call->thread];
      if (call->changes_something) numbers[call->name].insert(number);
    }
    return numbers;
  }
};

}  // namespace epochfs::test
