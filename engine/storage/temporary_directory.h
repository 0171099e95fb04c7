// A directory of our own that goes with the object, content included.
#pragma once

#include <string>
#include <utility>

#include "engine/core/error.h"

namespace epochfs::engine {

class TemporaryDirectory {
 public:
  // 0700, below `parent`.
  static Result<TemporaryDirectory> create(const std::string& parent);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved away
};

// $TMPDIR, or /tmp.
std::string temporary_parent();

}  // namespace epochfs::engine
