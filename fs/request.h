// One request of the kernel, answered exactly once.
//
// Threads   one per object
#pragma once

#include <string_view>

#include "engine/core/pieces.h"
#include "fs/fuse_api.h"

namespace epochfs::fs {

class Request {
 public:
  explicit Request(fuse_req_t raw) noexcept : raw_(raw) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request();  // EIO, should a path have forgotten to answer

  [[nodiscard]] fuse_req_t raw() const noexcept { return raw_; }
  [[nodiscard]] bool answered() const noexcept { return answered_; }

  void error(int error_number) noexcept;
  void entry(const fuse_entry_param& entry) noexcept;
  void attributes(const struct stat& attributes, double seconds) noexcept;
  void link(const std::string& target) noexcept;
  void bytes(engine::ByteView bytes) noexcept;
  // From the memory where they are.
  void pieces(const engine::Pieces& pieces);
  void position(off_t offset) noexcept;
  void statistics(const struct statvfs& statistics) noexcept;
  // What getxattr and listxattr answer: the value, or its length when the caller has no room yet.
  void xattr(std::string_view value, std::size_t room) noexcept;
  // false: the caller is gone and nobody will release what was opened.
  [[nodiscard]] bool open(const fuse_file_info& info) noexcept;

 private:
  fuse_req_t claim() noexcept;

  const fuse_req_t raw_;
  bool answered_ = false;
};

}  // namespace epochfs::fs
