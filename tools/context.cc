#include "tools/context.h"

#include <cerrno>
#include <cstdio>

namespace epochfs::tools {
namespace {

void tell(std::string_view text) {
  // A stderr that does not take it leaves nobody to tell.
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

// Whatever the reason, nothing of ours lacks room.
engine::Failure answer_failed() {
  return engine::Error::io(engine::Error::from_errno(errno, "standard output").value().text);
}

}  // namespace

engine::Result<void> Context::answer(std::string_view text) const {
  TRY(write_answer(text));
  return write_answer("\n");
}

void Context::warn(std::string_view text) const { tell("epochfs: warning: " + std::string(text)); }

void Context::note(std::string_view text) const {
  if (!quiet) tell(text);
}

void Context::detail(std::string_view text) const {
  if (verbose) tell(text);
}

engine::Result<void> write_answer(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) return answer_failed();
  return {};
}

engine::Result<void> finish_answer() {
  if (std::fflush(stdout) != 0) return answer_failed();
  return {};
}

}  // namespace epochfs::tools
