// A file of the mount while somebody has it open.
//
// Threads   any
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/view/view.h"
#include "fs/sequential_reads.h"
#include "fs/tree.h"

namespace epochfs::fs {

class OpenFile {
 public:
  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  virtual ~OpenFile() = default;

  // All bytes of [offset, offset + size) that lie inside the file, or a failure; never fewer.
  virtual engine::Result<engine::Pieces> read(std::uint64_t offset, std::size_t size) = 0;
  // nullopt: not known before it was read.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_bytes() const noexcept = 0;
  // Whether the kernel may keep what it read, for this and every later open.
  [[nodiscard]] virtual bool never_changes() const noexcept = 0;
};

// A file of an epoch.
class OpenEpochFile final : public OpenFile {
 public:
  explicit OpenEpochFile(OpenedFile opened)
      : opened_(std::move(opened)), sequential_(opened_.file->bytes_ahead()) {}

  engine::Result<engine::Pieces> read(std::uint64_t offset, std::size_t size) override;
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const noexcept override;
  [[nodiscard]] bool never_changes() const noexcept override { return !opened_.volatile_content; }

 private:
  const OpenedFile opened_;
  SequentialReads sequential_;
};

// A text that was made when the file was opened.
class OpenText final : public OpenFile {
 public:
  explicit OpenText(std::string text)
      : text_(std::make_shared<const std::string>(std::move(text))) {}

  engine::Result<engine::Pieces> read(std::uint64_t offset, std::size_t size) override;
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const noexcept override;
  [[nodiscard]] bool never_changes() const noexcept override { return false; }

 private:
  const std::shared_ptr<const std::string> text_;
};

}  // namespace epochfs::fs
