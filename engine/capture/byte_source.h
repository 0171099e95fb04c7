// Bytes of an open file, whoever holds it: SQLite's own handle, or a descriptor of ours.
//
// Trust     none: files may shrink or be replaced while they are read
// Errors    kIo
#pragma once

#include <memory>
#include <string>

#include "engine/core/bytes.h"
#include "engine/core/handle.h"

namespace epochfs::engine {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  // Fills `out`; what lies beyond the end is zeros.
  Result<void> read_at(std::uint64_t offset, MutableByteView out) {
    bytes_read_ += out.size();
    return do_read_at(offset, out);
  }
  virtual Result<std::uint64_t> size() = 0;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  virtual Result<void> do_read_at(std::uint64_t offset, MutableByteView out) = 0;

  std::uint64_t bytes_read_ = 0;
};

// A descriptor of our own. Never of a database or wal-index that SQLite has open in this process:
// closing it would drop SQLite's locks.
class DescriptorSource final : public ByteSource {
 public:
  DescriptorSource(UniqueFd descriptor, std::string name)
      : descriptor_(std::move(descriptor)), name_(std::move(name)) {}

  // A regular file for reading; kInvalid: something else.
  static Result<std::unique_ptr<DescriptorSource>> open(const std::string& path);

  Result<std::uint64_t> size() override;

 private:
  Result<void> do_read_at(std::uint64_t offset, MutableByteView out) override;

  UniqueFd descriptor_;
  std::string name_;
};

}  // namespace epochfs::engine
