// SIGINT, SIGTERM and SIGHUP end the process as ever, but not before copies of somebody's database
// are gone that lie in directories of its own.
//
// Construct it before the first other thread.
#pragma once

#include <optional>
#include <thread>

#include "engine/core/handle.h"
#include "fs/stop_signals.h"

namespace epochfs::tools {

class CleanEnd {
 public:
  CleanEnd();
  CleanEnd(const CleanEnd&) = delete;
  CleanEnd& operator=(const CleanEnd&) = delete;
  ~CleanEnd();

 private:
  void watch() const;

  std::optional<fs::StopSignals> signals_;  // none: the system has no descriptor for them
  engine::UniqueFd done_;                   // readable when there is nothing left to watch for
  std::thread watcher_;
};

}  // namespace epochfs::tools
