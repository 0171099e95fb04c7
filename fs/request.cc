#include "fs/request.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace epochfs::fs {
namespace {

// writev takes 1024 vectors, and the library adds one of its own.
constexpr std::size_t kVectorsMax = 1000;

void* writable(const std::byte* bytes) { return const_cast<std::byte*>(bytes); }

engine::Bytes joined(const engine::Pieces& pieces) {
  engine::Bytes whole;
  for (const engine::Piece& piece : pieces)
    whole.insert(whole.end(), piece.bytes.begin(), piece.bytes.end());
  return whole;
}

}  // namespace

Request::~Request() {
  if (!answered_) error(EIO);
}

// The library frees the request whether or not the kernel takes the answer, so that a failure to
// deliver is no reason to answer again.
fuse_req_t Request::claim() noexcept {
  answered_ = true;
  return raw_;
}

void Request::error(int error_number) noexcept { fuse_reply_err(claim(), error_number); }

void Request::entry(const fuse_entry_param& entry) noexcept { fuse_reply_entry(claim(), &entry); }

void Request::attributes(const struct stat& attributes, double seconds) noexcept {
  fuse_reply_attr(claim(), &attributes, seconds);
}

void Request::link(const std::string& target) noexcept {
  fuse_reply_readlink(claim(), target.c_str());
}

void Request::bytes(engine::ByteView bytes) noexcept {
  const std::string_view text = engine::as_text(bytes);
  fuse_reply_buf(claim(), text.data(), text.size());
}

void Request::pieces(const engine::Pieces& pieces) {
  if (pieces.size() > kVectorsMax) return bytes(joined(pieces));
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const engine::Piece& piece : pieces)
    vectors.push_back({writable(piece.bytes.data()), piece.bytes.size()});
  fuse_reply_iov(claim(), vectors.data(), static_cast<int>(vectors.size()));
}

void Request::position(off_t offset) noexcept { fuse_reply_lseek(claim(), offset); }

void Request::statistics(const struct statvfs& statistics) noexcept {
  fuse_reply_statfs(claim(), &statistics);
}

void Request::xattr(std::string_view value, std::size_t room) noexcept {
  if (room == 0)
    fuse_reply_xattr(claim(), value.size());
  else if (room < value.size())
    error(ERANGE);
  else
    bytes(engine::as_bytes(value));
}

bool Request::open(const fuse_file_info& info) noexcept {
  return fuse_reply_open(claim(), &info) == 0;
}

}  // namespace epochfs::fs
