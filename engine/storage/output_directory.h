// A directory for the user, outside any repository: there complete and durable, or not there at
// all.
//
// Threads   one
// Errors    kExists · kNoSpace · kIo
#pragma once

#include <string>

#include "engine/core/error.h"

namespace epochfs::engine {

class OutputDirectory {
 public:
  // A hidden directory beside `path`; what is made in it appears with commit().
  static Result<OutputDirectory> create(const std::string& path);
  OutputDirectory(OutputDirectory&& other) noexcept;
  OutputDirectory& operator=(OutputDirectory&&) = delete;
  ~OutputDirectory();  // without commit() nothing is left

  [[nodiscard]] std::string file(const std::string& name) const { return temporary_ + "/" + name; }

  // Gives it its name. Its files are durable already (see OutputFile). kExists: the name is taken.
  Result<void> commit();

 private:
  OutputDirectory(std::string path, std::string temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  std::string path_;
  std::string temporary_;  // empty: committed, or moved away
};

}  // namespace epochfs::engine
