// Temporary files without a name: nothing is left behind, whatever happens.
#pragma once

#include <memory>
#include <string>

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

// The first `bytes` of `source` (all, if it has fewer), at the same offsets, in a new file.
Result<void> copy_bytes(ByteSource& source, std::uint64_t bytes, const std::string& path);
Result<Spool> spool_bytes(ByteSource& source, std::uint64_t bytes, const std::string& directory);

}  // namespace epochfs::engine
