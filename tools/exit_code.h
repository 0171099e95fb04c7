// How the command ends, for scripts.
#pragma once

#include "engine/core/error.h"

namespace epochfs::tools {

// 130 and 143 (and 141) are not listed: SIGINT, SIGTERM and SIGPIPE keep their default effect, so a
// shell reports 128 + signal, and a caller that looks closer sees the signal itself.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kWarnings = 3,      // done, but something needs attention
  kDamage = 4,        // bytes are not what they must be
  kNoSuchEpoch = 5,   // nothing for that number or time
  kOutputExists = 6,  // the target is there already
  kNoRepository = 10,
  kLocked = 11,       // another writer is at work
  kUnsupported = 13,  // a format that is not known here
  kUnreachable = 14,  // remote storage does not answer, or refuses
  kMountProblem = 15,
};

ExitCode exit_code_of(engine::Code code) noexcept;

}  // namespace epochfs::tools
