// The log of `strace -f`, and which of its system calls change something.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace epochfs::test {

struct TracedCall {
  std::string thread;
  std::string name;
  bool changes_something = false;  // in a file or a directory, or it locks one
};

// The calls that change something whatever they are told.
inline bool always_changes_something(const std::string& call) {
  static const std::set<std::string> kCalls = {
      "write",           "writev",    "pwrite64",  "fsync",    "fdatasync",
      "sync_file_range", "msync",     "rename",    "renameat", "renameat2",
      "linkat",          "unlink",    "unlinkat",  "mkdir",    "mkdirat",
      "ftruncate",       "fallocate", "utimensat", "fchown",   "flock"};
  return kCalls.contains(call);
}

// Those that read, wait, or change nothing but the program itself.
inline bool never_changes_something(const std::string& call) {
  constexpr std::string_view kCalls =
      " access arch_prctl brk clone clone3 close eventfd2 execve exit exit_group faccessat "
      "faccessat2 fadvise64 fcntl fstat fstatfs futex getcwd getdents64 geteuid getpid "
      "getrandom gettid getuid ioctl lseek lstat madvise mmap mprotect mremap munmap "
      "newfstatat pipe2 poll pread64 prlimit64 read readlink readlinkat restart_syscall "
      "rseq rt_sigaction rt_sigprocmask sched_getaffinity sched_yield set_robust_list "
      "set_tid_address sigaltstack signalfd4 stat statfs statx sysinfo uname ";
  return kCalls.find(" " + call + " ") != std::string_view::npos;
}

// The call that begins in this line, if one does.
inline std::optional<TracedCall> call_in(const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::size_t name = line.find_first_not_of(' ', space);
  const std::size_t bracket = line.find('(');
  if (bracket == std::string::npos || line[name] == '<' || line[name] == '+') return std::nullopt;
  TracedCall call{line.substr(0, space), line.substr(name, bracket - name)};
  if (call.name == "open" || call.name == "openat" || call.name == "openat2") {
    for (const char* flag : {"O_CREAT", "O_TMPFILE", "O_TRUNC"})
      call.changes_something = call.changes_something || line.find(flag) != std::string::npos;
  } else {
    call.changes_something = always_changes_something(call.name);
    // A call that is new here has to be put into one of the lists.
    EXPECT_TRUE(call.changes_something || never_changes_something(call.name))
        << "nobody knows whether it changes something: " << line;
  }
  return call;
}

}  // namespace epochfs::test
