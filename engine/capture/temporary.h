// Temporary files that cannot be left behind, or at least not by an error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/capture/byte_source.h"

namespace epochfs::engine {

// A file without a name: written from the front, read anywhere, gone with the object.
class Spool {
 public:
  static Result<Spool> create(const std::string& directory);

  Result<void> append(ByteView bytes);
  [[nodiscard]] ByteSource& source() noexcept { return *source_; }
  std::unique_ptr<ByteSource> take_source() && { return std::move(source_); }

 private:
  Spool(int descriptor, std::unique_ptr<DescriptorSource> source, std::string directory)
      : descriptor_(descriptor), source_(std::move(source)), directory_(std::move(directory)) {}

  int descriptor_;  // the source's
  std::unique_ptr<DescriptorSource> source_;
  std::string directory_;
};

// A directory of our own, 0700, removed with the files that its users said they would make in it.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create(const std::string& parent,
                                           std::vector<std::string> file_names);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept
      : path_(std::exchange(other.path_, {})), file_names_(std::move(other.file_names_)) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  TemporaryDirectory(std::string path, std::vector<std::string> file_names)
      : path_(std::move(path)), file_names_(std::move(file_names)) {}

  std::string path_;  // empty: moved away
  std::vector<std::string> file_names_;
};

// The first `bytes` of `source` (all, if it has fewer), at the same offsets, in a new file.
Result<void> copy_bytes(ByteSource& source, std::uint64_t bytes, const std::string& path);
Result<Spool> spool_bytes(ByteSource& source, std::uint64_t bytes, const std::string& directory);

}  // namespace epochfs::engine
