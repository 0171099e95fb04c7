// A failure on its way to a person: what went wrong, and what to do about it.
#pragma once

#include <string>
#include <utility>

#include "engine/core/error.h"

namespace epochfs::tools {

struct Complaint {
  engine::Error error;
  std::string hint;  // for the "try:" line; empty: what goes with the error's code

  // Implicit, so that TRY passes on failures of the engine as they are.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Complaint(engine::Error cause) : error(std::move(cause)) {}
  Complaint(engine::Error cause, std::string what_to_do)
      : error(std::move(cause)), hint(std::move(what_to_do)) {}
};

template <class T>
using Outcome = tl::expected<T, Complaint>;

// `return advise(Error::invalid(...), "what to do")`.
inline tl::unexpected<Complaint> advise(engine::Failure failure, std::string hint) {
  return tl::unexpected(Complaint(std::move(failure).value(), std::move(hint)));
}

// `result`, with `hint()` as the advice when it failed with `code`. The hint is made on failure
// only.
template <class T, class HintOf>
Outcome<T> with_hint(engine::Result<T> result, engine::Code code, const HintOf& hint) {
  if (result) return *std::move(result);
  if (result.error().code != code) return tl::unexpected(Complaint(std::move(result).error()));
  return advise(engine::Failure(std::move(result).error()), hint());
}

}  // namespace epochfs::tools
