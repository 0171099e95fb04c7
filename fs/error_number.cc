#include "fs/error_number.h"

#include <cerrno>

namespace epochfs::fs {

int error_number(engine::Code code) noexcept {
  using engine::Code;
  switch (code) {
    case Code::kNotFound:
    case Code::kNoSuchEpoch:
      return ENOENT;
    case Code::kExists:
      return EEXIST;
    case Code::kInvalid:
      return EINVAL;
    case Code::kUnsupported:
      return EOPNOTSUPP;
    case Code::kNoSpace:
      return ENOSPC;
    case Code::kBusy:
    case Code::kLocked:
      return EBUSY;
    case Code::kNoRepository:  // it was there when it was mounted: the storage lost it
    case Code::kCorrupt:
    case Code::kIo:
    case Code::kUnreachable:
    case Code::kMount:
      break;
  }
  return EIO;
}

}  // namespace epochfs::fs
