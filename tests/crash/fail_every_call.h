// Lets each system call that a program makes fail, one run for each.
//
// What the dynamic loader does before main() is left out: the counting begins behind the first call
// of `kFirstCallOfMain`, and the loader's calls of each kind are skipped by number. strace counts
// for each thread by itself, so the first calls of a worker that the loader makes more often on the
// main thread (mmap, mostly) are out of reach.
//
// A call that changes something fails with each of the errors, any other with one of them that its
// name and number choose; with $EPOCHFS_TEST_ALL_FAULTS set each fails with each.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
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

class FailEveryCall {
 public:
  // Brings everything to the state before the run.
  std::function<void()> prepare;
  // Runs the program behind the words `under`.
  std::function<ProcessResult(std::vector<std::string> under)> run;
  // Looks at what a run left of which one call failed.
  std::function<void(const ProcessResult&)> check;

  void fail_everywhere() { fail(false); }
  // Those that change something, with one of the errors each: where a look takes long.
  void fail_where_something_changes() { fail(true); }

  // It ended by itself, and says so when not all is well.
  static void expect_an_answer(const ProcessResult& result) {
    constexpr int kExitCodeMax = 15;
    EXPECT_FALSE(result.timed_out) << "it hangs";
    EXPECT_LE(result.exit_code, kExitCodeMax) << result.err;
    EXPECT_EQ(result.exit_code == 0, result.err.empty()) << result.err;
  }

 private:
  static constexpr const char* kFirstCallOfMain = "prlimit64(0, RLIMIT_NOFILE,";
  static constexpr std::array kErrors = {"EIO", "ENOSPC", "EINTR", "EMFILE", "ENOMEM"};

  struct Numbers {
    int before_main = 0;
    int all = 0;                // on the thread that makes most of them
    std::set<int> changing;     // those that change something
    std::set<int> to_an_event;  // adding one to an eventfd cannot fail either
  };

  // Calls that cannot fail or do not return, and those with which a failure cannot be played: brk
  // tells of one by an address, what close() was called for is closed all the same, and the
  // library takes a munmap() of its own that fails for a mistake.
  static bool cannot_fail(const std::string& call) {
    static const std::set<std::string> kCalls = {"arch_prctl",      "brk",
                                                 "close",           "munmap",
                                                 "execve",          "exit",
                                                 "exit_group",      "futex",
                                                 "geteuid",         "getpid",
                                                 "gettid",          "getuid",
                                                 "madvise",         "rseq",
                                                 "rt_sigaction",    "rt_sigprocmask",
                                                 "sched_yield",     "set_tid_address",
                                                 "set_robust_list", "restart_syscall"};
    return kCalls.contains(call);
  }

  void fail(bool only_changes) {
    ASSERT_EQ(test::run({"strace", "-V"}).exit_code, 0) << "this test needs strace";
    int failures = 0;
    for (const auto& [call, numbers] : count_calls()) {
      for (int n = numbers.before_main + 1; n <= numbers.all; ++n) {
        const bool changes = numbers.changing.contains(n);
        if (numbers.to_an_event.contains(n) || (only_changes && !changes)) continue;
        for (const std::string& error : errors_for(call, n, changes && !only_changes)) {
          SCOPED_TRACE(testing::Message()
                       << call << " number " << n << " of " << numbers.all << ": " << error);
          const ProcessResult result = run_with_failing(call, n, error);
          failures += result.exit_code != 0 ? 1 : 0;
          check(result);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
    EXPECT_GE(failures, 10) << "hardly anything failed: did the calls change their names?";
  }

  // The same in each run, however often other calls were made.
  static std::vector<std::string> errors_for(const std::string& call, int n, bool all) {
    if (all || std::getenv("EPOCHFS_TEST_ALL_FAULTS") != nullptr)
      return {kErrors.begin(), kErrors.end()};
    const std::size_t turn = std::hash<std::string>()(call) + static_cast<std::size_t>(n);
    return {kErrors.at(turn % kErrors.size())};
  }

  [[nodiscard]] ProcessResult run_with_failing(const std::string& call, int n,
                                               const std::string& error) const {
    prepare();
    const std::string inject = "inject=" + call + ":error=" + error + ":when=" + std::to_string(n);
    return run({"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", inject});
  }

  // One run in which nothing fails.
  [[nodiscard]] std::map<std::string, Numbers> count_calls() const {
    prepare();
    const TemporaryDirectory directory;
    const std::string log = directory / "calls";
    const ProcessResult result = run({"strace", "-f", "-qq", "-o", log});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::map<std::string, std::map<std::string, int>> counts;  // call, thread
    std::map<std::string, Numbers> numbers;
    bool in_main = false;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) {
      const auto call = call_in(line);
      if (!call) continue;
      in_main = in_main || line.find(kFirstCallOfMain) != std::string::npos;
      if (cannot_fail(call->name)) continue;
      const int count = ++counts[call->name][call->thread];
      Numbers& known = numbers[call->name];
      known.all = std::max(known.all, count);
      if (!in_main) known.before_main = known.all;
      if (line.find(R"(, "\1\0\0\0\0\0\0\0", 8))") != std::string::npos)
        known.to_an_event.insert(count);
      if (call->changes_something) known.changing.insert(count);
    }
    EXPECT_TRUE(in_main) << kFirstCallOfMain;
    return numbers;
  }
};

}  // namespace epochfs::test
