#include "engine/capture/file_stamp.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kTickNs = 100'000'000;
// File systems that keep whole seconds; FAT keeps every other one.
constexpr std::int64_t kCoarseTickNs = 2 * kNanosPerSecond;
constexpr std::int64_t kPatienceNs = 5 * kNanosPerSecond;
constexpr auto kStampPause = std::chrono::milliseconds(20);

std::int64_t tick_of(const FileStamp& stamp) noexcept {
  const bool coarse =
      stamp.ctime_ns % kNanosPerSecond == 0 && stamp.mtime_ns % kNanosPerSecond == 0;
  return coarse ? kCoarseTickNs : kTickNs;
}

std::int64_t nanos(const timespec& time) noexcept {
  return static_cast<std::int64_t>(time.tv_sec) * kNanosPerSecond + time.tv_nsec;
}

}  // namespace

Result<FileStamp> stamp_of(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(status.st_mode))
    return Error::invalid(fmt::format("{}: not a regular file; name a database file", path));
  return FileStamp{
      static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
      static_cast<std::uint64_t>(status.st_size), nanos(status.st_mtim), nanos(status.st_ctim)};
}

Result<std::optional<FileStamp>> stamp_if_there(const std::string& path) {
  auto stamp = stamp_of(path);
  if (stamp) return std::optional(*stamp);
  if (stamp.error().code == Code::kNotFound) return std::optional<FileStamp>();
  return tl::unexpected(std::move(stamp).error());
}

bool settled(const FileStamp& stamp, UtcTime moment) noexcept {
  return stamp.ctime_ns < moment.get() - tick_of(stamp);
}

Result<FileStamp> wait_until_settled(const std::string& path) {
  const std::int64_t start = utc_now().get();
  while (true) {
    TRY_ASSIGN(const FileStamp stamp, stamp_of(path));
    const UtcTime now = utc_now();
    const bool in_future = stamp.ctime_ns > now.get() + tick_of(stamp);
    if (in_future || settled(stamp, now)) return stamp;
    if (now.get() > start + kPatienceNs)
      return Error::busy(fmt::format(
          "{}: keeps changing; stop the program that writes to it, or copy it first", path));
    std::this_thread::sleep_for(kStampPause);
  }
}

}  // namespace epochfs::engine
