// A file for the user, outside any repository: there complete and durable, or not there at all.
//
// Threads   write() from any number of threads at once; the rest from one
// Errors    kExists · kNoSpace · kInvalid: the path cannot be a file · kIo
#pragma once

#include <string>

#include "engine/core/bytes.h"
#include "engine/core/handle.h"
#include "engine/core/units.h"

namespace epochfs::engine {

class OutputFile {
 public:
  // `replace`: an existing regular file gives way at commit(); otherwise anything at `path` is
  // kExists. The bytes go to a file without a name, or a hidden one where the filesystem knows no
  // such thing.
  static Result<OutputFile> create(const std::string& path, bool replace);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // without commit() nothing is left

  Result<void> write(std::uint64_t offset, ByteView bytes) const;
  // Where somebody else can read what is there so far: a hidden name, which the file has from then
  // on.
  Result<std::string> hidden_path();
  // Makes the content durable, whole, with modification time `modified`; it has no name yet.
  Result<void> make_durable(std::uint64_t size_bytes, UtcTime modified) const;
  // The same, and gives it its name.
  Result<void> commit(std::uint64_t size_bytes, UtcTime modified);

 private:
  OutputFile(UniqueFd fd, std::string directory, std::string path, std::string temporary,
             bool replace);
  Result<void> give_name();
  Result<void> link_as(const std::string& path) const;

  UniqueFd fd_;
  std::string directory_;
  std::string path_;
  std::string temporary_;  // path of the hidden file; empty while the file has no name
  bool replace_;
};

// Writes all of `bytes` to a descriptor that may be a pipe.
Result<void> write_all(int descriptor, ByteView bytes);

// Makes the names in the directory that holds `path` durable.
Result<void> sync_directory_of(const std::string& path);

[[nodiscard]] bool file_exists(const std::string& path);  // anything at all, dangling links too

}  // namespace epochfs::engine
