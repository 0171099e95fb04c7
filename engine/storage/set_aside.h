// What has to make way for a file or directory of the user's, under another name until the new one
// is there: if that fails everything is back, and whoever is killed in between has lost nothing.
//
// Threads   one
// Errors    kIo
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/error.h"

namespace epochfs::engine {

class SetAside {
 public:
  // Appended to a name.
  static constexpr const char* kEnding = ".before-restore";

  // Renames what there is of `paths`, durably. It goes back only while nothing else is at `beside`
  // than now. What an earlier one left is replaced, and goes with drop().
  static Result<SetAside> take(std::vector<std::string> paths, std::string beside);
  SetAside(SetAside&& other) noexcept = default;
  SetAside& operator=(SetAside&&) = delete;
  // Without drop() all have their names again, unless the new ones are there already.
  ~SetAside();

  // They are needed no more.
  Result<void> drop();

 private:
  using Identity = std::pair<dev_t, ino_t>;

  SetAside() = default;
  static std::optional<Identity> identity_of(const std::string& path);
  [[nodiscard]] bool may_go_back() const;

  std::vector<std::string> paths_;
  std::vector<std::string> moved_;  // those of them that were there
  std::string beside_;
  std::optional<Identity> identity_;  // of it
};

}  // namespace epochfs::engine
