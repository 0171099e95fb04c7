#include "engine/core/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace epochfs::engine {
namespace {

Failure failure(Code code, std::string text) { return Failure(Error{code, std::move(text), 0}); }

Code code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case EEXIST:
      return Code::kExists;
    default:
      return Code::kIo;
  }
}

}  // namespace

Failure Error::not_found(std::string text) { return failure(Code::kNotFound, std::move(text)); }
Failure Error::no_repository(std::string text) {
  return failure(Code::kNoRepository, std::move(text));
}
Failure Error::no_such_epoch(std::string text) {
  return failure(Code::kNoSuchEpoch, std::move(text));
}
Failure Error::exists(std::string text) { return failure(Code::kExists, std::move(text)); }
Failure Error::invalid(std::string text) { return failure(Code::kInvalid, std::move(text)); }
Failure Error::corrupt(std::string text) { return failure(Code::kCorrupt, std::move(text)); }
Failure Error::unsupported(std::string text) {
  return failure(Code::kUnsupported, std::move(text));
}
Failure Error::io(std::string text) { return failure(Code::kIo, std::move(text)); }
Failure Error::unreachable(std::string text) {
  return failure(Code::kUnreachable, std::move(text));
}
Failure Error::no_space(std::string text) { return failure(Code::kNoSpace, std::move(text)); }
Failure Error::busy(std::string text) { return failure(Code::kBusy, std::move(text)); }
Failure Error::locked(std::string text) { return failure(Code::kLocked, std::move(text)); }
Failure Error::mount(std::string text) { return failure(Code::kMount, std::move(text)); }

Failure Error::from_errno(int error_number, std::string_view what) {
  return Failure(Error{code_of_errno(error_number),
                       fmt::format("{}: {}", what, std::generic_category().message(error_number)),
                       error_number});
}

}  // namespace epochfs::engine
