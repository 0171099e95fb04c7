#include "engine/capture/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace epochfs::engine {
namespace {

constexpr std::size_t kCopyBytes = 1024 * 1024;

Result<UniqueFd> unnamed_file(const std::string& directory) {
  UniqueFd unnamed(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (unnamed) return unnamed;
  // Not every file system can do that.
  std::string name = directory + "/epochfs-XXXXXX";
  UniqueFd named(::mkostemp(name.data(), O_CLOEXEC));
  if (!named)
    return Error::from_errno(errno, fmt::format("cannot make a temporary file in {}", directory));
  ::unlink(name.c_str());
  return named;
}

Result<void> write_all(int descriptor, ByteView bytes, const std::string& where) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error::from_errno(errno, where);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

template <class Append>
Result<void> for_each_piece(ByteSource& source, std::uint64_t bytes, const Append& append) {
  Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, bytes)));
  TRY_ASSIGN(const std::uint64_t size, source.size());
  const std::uint64_t end = std::min(bytes, size);
  for (std::uint64_t at = 0; at < end; at += buffer.size()) {
    const MutableByteView piece = MutableByteView(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
    TRY(source.read_at(at, piece));
    TRY(append(piece));
  }
  return {};
}

}  // namespace

Result<Spool> Spool::create(const std::string& directory) {
  TRY_ASSIGN(UniqueFd descriptor, unnamed_file(directory));
  const int raw = descriptor.get();
  const std::string name = fmt::format("temporary file in {}", directory);
  return Spool(raw, std::make_unique<DescriptorSource>(std::move(descriptor), name), name);
}

Result<void> Spool::append(ByteView bytes) { return write_all(descriptor_, bytes, directory_); }

Result<void> copy_bytes(ByteSource& source, std::uint64_t bytes, const std::string& path) {
  const UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return Error::from_errno(errno, path);
  return for_each_piece(source, bytes,
                        [&](ByteView piece) { return write_all(out.get(), piece, path); });
}

Result<Spool> spool_bytes(ByteSource& source, std::uint64_t bytes, const std::string& directory) {
  TRY_ASSIGN(Spool spool, Spool::create(directory));
  TRY(for_each_piece(source, bytes, [&](ByteView piece) { return spool.append(piece); }));
  return spool;
}

}  // namespace epochfs::engine
