#include "tools/exit_code.h"

namespace epochfs::tools {

ExitCode exit_code_of(engine::Code code) noexcept {
  using engine::Code;
  switch (code) {
    case Code::kInvalid:
      return ExitCode::kUsage;
    case Code::kCorrupt:
      return ExitCode::kDamage;
    case Code::kNoSuchEpoch:
      return ExitCode::kNoSuchEpoch;
    case Code::kExists:
      return ExitCode::kOutputExists;
    case Code::kNoRepository:
      return ExitCode::kNoRepository;
    case Code::kLocked:
      return ExitCode::kLocked;
    case Code::kUnsupported:
      return ExitCode::kUnsupported;
    case Code::kMount:
      return ExitCode::kMountProblem;
    case Code::kUnreachable:
      return ExitCode::kUnreachable;
    case Code::kNotFound:
    case Code::kIo:
    case Code::kNoSpace:
    case Code::kBusy:
      return ExitCode::kFailed;
  }
  return ExitCode::kFailed;
}

}  // namespace epochfs::tools
