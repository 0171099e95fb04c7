// SIGINT, SIGTERM and SIGHUP end the process as ever, but not before copies of somebody's database
// are gone that lie in directories of its own.
//
// Construct it before the first other thread.
#pragma once

#include <optional>

#include "fs/stop_signals.h"

namespace epochfs::tools {

class CleanEnd {
 public:
  CleanEnd();

 private:
  std::optional<fs::StopSignals> signals_;  // none: the system has no descriptor for them
  std::optional<fs::EndsBySignal> ends_;
};

}  // namespace epochfs::tools
