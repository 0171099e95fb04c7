// Reads of files by this process, seen and failed by a test without a hook in the code under test.
#pragma once

#include <functional>
#include <string>

namespace epochfs::test {

// As long as it exists, `judge` is asked before each pread() with the path of the file: 0, or the
// errno with which the call fails. Reads inside of `judge` are nobody's business. One at a time.
//
// Threads   those of the code under test; `judge` is called by one of them at a time
class WatchedReads {
 public:
  using Judge = std::function<int(const std::string& path)>;

  explicit WatchedReads(Judge judge);
  WatchedReads(const WatchedReads&) = delete;
  WatchedReads& operator=(const WatchedReads&) = delete;
  ~WatchedReads();
};

}  // namespace epochfs::test
