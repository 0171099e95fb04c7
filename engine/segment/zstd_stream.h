// A stored object as the bytes that its zstd frames hold one after another, from the front: files
// that others compressed, with whatever of a frame's header zstd leaves out by default.
//
// Trust     none. The buffer's size comes from the caller; a window of more than 128 MiB, and more
//           bytes than `plain_bytes_max`, are refused
// Threads   one
// Memory    one input buffer, and the window of the frame
// Errors    kCorrupt: not zstd, damaged, cut short, too large · those of the storage
#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/handle.h"
#include "engine/storage/storage.h"

struct ZSTD_DCtx_s;

namespace epochfs::engine {

class ZstdStream {
 public:
  ZstdStream(std::shared_ptr<const Blob> blob, std::uint64_t plain_bytes_max);

  // Fills `out`, but for what is there no more: less than it has room for is the end, and then the
  // object was whole.
  Result<std::size_t> read(MutableByteView out);
  // So far: given out, and read for that.
  [[nodiscard]] std::uint64_t plain_bytes() const noexcept { return plain_bytes_; }
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept { return read_bytes_; }

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const noexcept;
  };
  Result<bool> refill();  // false: the object ends

  std::shared_ptr<const Blob> blob_;
  std::uint64_t plain_bytes_max_;
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  Bytes input_;
  std::size_t input_at_ = 0;
  std::size_t input_size_ = 0;
  std::uint64_t read_bytes_ = 0;   // of the object
  std::uint64_t plain_bytes_ = 0;  // given out
  bool inside_frame_ = true;       // an object without any frame is cut short, too
};

}  // namespace epochfs::engine
