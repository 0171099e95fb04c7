// That a storage could not be reached, told to all who waited while one of them tried: each trying
// in turn would make the last one wait for all the deadlines.
//
// Threads   none: it belongs to a mutex that is held around the attempts
#pragma once

#include <cerrno>
#include <chrono>
#include <optional>

#include "engine/core/error.h"

namespace epochfs::engine {

// The storage answers, but refuses this one object: kUnreachable with EACCES. Others may be given.
inline bool is_refusal_of_object(const Error& error) noexcept {
  return error.code == Code::kUnreachable && error.system_errno == EACCES;
}

// The storage gives nobody anything.
inline bool is_out_of_reach(const Error& error) noexcept {
  return error.code == Code::kUnreachable && !is_refusal_of_object(error);
}

class SharedFailure {
 public:
  using Clock = std::chrono::steady_clock;

  // How the newest attempt failed, if it ended after `asked`; null: try.
  [[nodiscard]] const Error* since(Clock::time_point asked) const noexcept {
    return error_ && asked <= ended_ ? &*error_ : nullptr;
  }
  // Of an attempt that has just ended.
  template <class T>
  void note(const Result<T>& outcome) {
    error_.reset();
    if (outcome || !is_out_of_reach(outcome.error())) return;
    error_ = outcome.error();
    ended_ = Clock::now();
  }

 private:
  std::optional<Error> error_;
  Clock::time_point ended_;
};

}  // namespace epochfs::engine
