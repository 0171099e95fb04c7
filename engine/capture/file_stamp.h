// What a file system knows of a file: equal stamps, and none of them too fresh, mean equal bytes.
#pragma once

#include <optional>
#include <string>

#include "engine/core/units.h"

namespace epochfs::engine {

struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Follows symbolic links. kNotFound. kInvalid: not a regular file.
Result<FileStamp> stamp_of(const std::string& path);
// nullopt: there is no such file.
Result<std::optional<FileStamp>> stamp_if_there(const std::string& path);

// A write at `moment` or later would give the file another change time: the clock that stamps files
// ticks coarsely, so a change time needs some distance before it tells anything. Only the change
// time is looked at; the modification time can be set by anybody.
bool settled(const FileStamp& stamp, UtcTime moment) noexcept;

// The stamp of `path` once it is settled, waiting for that if need be. kBusy: it keeps changing. A
// change time in the future (the clock was set back) counts as settled: any write brings it back.
Result<FileStamp> wait_until_settled(const std::string& path);

}  // namespace epochfs::engine
