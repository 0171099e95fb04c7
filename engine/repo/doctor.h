// Whether a place can hold a repository: which settings are in force, and what the storage does
// when it is tried.
#pragma once

#include <string>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::engine {

struct Examination {
  struct Setting {
    std::string name;
    std::string value;   // never a secret
    std::string source;  // "AWS_REGION", "--endpoint-url", "default"
  };
  enum class Verdict { kPassed, kFailed, kSkipped };
  struct Check {
    std::string name;
    Verdict verdict = Verdict::kPassed;
    std::string text;       // what was found, what failed, or why it was not tried
    Code code = Code::kIo;  // of a failure
  };

  std::string location;
  bool is_remote = false;
  std::vector<Setting> settings;  // of an object store
  std::vector<Check> checks;

  [[nodiscard]] bool is_sound() const noexcept;
};

// Tries an object of its own at the place, of a name that nobody else has, and removes it again.
// `read_only`: tries nothing that changes anything, and reads of what is there. What fails is in
// the answer; only settings that make no sense are a failure of this call (those of
// resolve_s3_settings()).
Result<Examination> examine(const std::string& location, bool read_only);

}  // namespace epochfs::engine
