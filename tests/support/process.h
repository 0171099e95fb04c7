// Programs run by tests: the real binary, with its exit code and everything it said.
//
//   const ProcessResult result = run({EPOCHFS_COMMAND, "log", repository},
//                                    {.environment = {{"EPOCHFS_CACHE_DIR", cache}}});
//   EXPECT_EQ(result.exit_code, 0) << result.err;
//
// Threads   any; a Process belongs to one thread at a time
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "engine/core/handle.h"

namespace epochfs::test {

struct ProcessOptions {
  std::map<std::string, std::string> environment = {};  // on top of the test's own
  std::string working_directory = {};                   // empty: the test's own
  std::string argv0 = {};           // what the program is told it is called; empty: its path
  std::string output_path = {};     // stdout goes to this file ("/dev/full") instead of `out`
  bool output_is_terminal = false;  // stdout is a terminal of its own, which feeds `out`
  bool error_is_terminal = false;   // likewise stderr and `err`
  std::chrono::milliseconds timeout = std::chrono::minutes(2);  // then it is killed
};

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when a signal ended it, as a shell says it; -1: not started
  bool timed_out = false;
  std::string out;
  std::string err;
};

// A program that is running. Destruction kills it and what it started in its process group.
class Process {
 public:
  // `command[0]` is a path, or a name to find in PATH. A program that cannot be started exits 127.
  explicit Process(const std::vector<std::string>& command, const ProcessOptions& options = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] const std::string& out() const noexcept { return result_.out; }  // read so far
  void signal(int number) const;
  // Waits for the end of the program itself, not of what it left running in the background.
  ProcessResult wait();
  // Lets that time pass; true when the program ended within it.
  bool ends_within(std::chrono::milliseconds time);
  // Reads until stdout or stderr holds `text`; false when the program ended or timed out before.
  bool wait_for(const std::string& text);

 private:
  // Reads until the program has ended, has said `text` (empty: nothing in particular), or the time
  // has come.
  void read_until(const std::string& text, std::chrono::steady_clock::time_point time);
  void kill_group() const;
  [[nodiscard]] bool said(const std::string& text) const;

  ProcessOptions options_;
  std::chrono::steady_clock::time_point deadline_;
  pid_t pid_ = -1;
  engine::UniqueFd process_;  // readable when the program has ended
  engine::UniqueFd out_;
  engine::UniqueFd err_;
  bool ended_ = false;
  ProcessResult result_;
};

// Starts, waits, tells.
ProcessResult run(const std::vector<std::string>& command, const ProcessOptions& options = {});

}  // namespace epochfs::test
