#include "engine/capture/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace epochfs::engine {

Result<std::unique_ptr<DescriptorSource>> DescriptorSource::open(const std::string& path) {
  // O_NONBLOCK: a FIFO would make us wait for its writer.
  UniqueFd descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return Error::from_errno(errno, path);
  struct stat status = {};
  if (::fstat(descriptor.get(), &status) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(status.st_mode))
    return Error::invalid(fmt::format("{}: not a regular file; name a database file", path));
  return std::make_unique<DescriptorSource>(std::move(descriptor), path);
}

Result<std::uint64_t> DescriptorSource::size() {
  struct stat status = {};
  if (::fstat(descriptor_.get(), &status) != 0) return Error::from_errno(errno, name_);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> DescriptorSource::do_read_at(std::uint64_t offset, MutableByteView out) {
  while (!out.empty()) {
    const ssize_t got =
        ::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, name_);
    if (got == 0) break;
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  std::fill(out.begin(), out.end(), std::byte{0});
  return {};
}

}  // namespace epochfs::engine
