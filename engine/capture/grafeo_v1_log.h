// The log of a Grafeo 0.5 database that nobody has open: its frames from the state of the image to
// the newest commit.
//
// Source    the files of open_grafeo_log(), while GrafeoImage::lock_out_writers() holds
// Trust     none: every frame that is taken has passed its checksum
// Writes    nothing, but makes the log durable before it is taken
// Errors    kCorrupt: damage that no interrupted write explains · kUnsupported: it cannot be proven
//           that the log continues the image · kIo
#pragma once

#include <functional>
#include <vector>

#include "engine/capture/grafeo_log_files.h"
#include "engine/formats/grafeo/v1_scanner.h"

namespace epochfs::engine {

// The files one after another are one stream of bytes; positions count from its beginning.
class GrafeoV1Log {
 public:
  // `image_epoch`: what the log must continue.
  static Result<GrafeoV1Log> open(GrafeoLogFiles log, Epoch image_epoch);

  // Behind what is in the image already.
  [[nodiscard]] std::uint64_t begin() const noexcept { return begin_; }
  // Behind the last whole frame. What is there behind the last epoch is not committed yet; its
  // commit may follow in the next incremental.
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  // Those in the log behind `position`, ascending by one each.
  [[nodiscard]] std::vector<Epoch> epochs_after(std::uint64_t position) const;
  // Of the files that have bytes from `position` on.
  [[nodiscard]] std::uint64_t files_after(std::uint64_t position) const;
  // The file up to which everything is taken: whatever is written next goes to a later one. nullopt
  // while the newest one has frames, for then more may follow there.
  [[nodiscard]] std::optional<std::uint64_t> finished_sequence() const;

  using Sink = std::function<Result<void>(ByteView)>;
  Result<void> read(std::uint64_t begin, std::uint64_t end, const Sink& sink) const;
  Result<void> make_durable() const;

 private:
  Result<void> scan();
  Result<void> find_begin(Epoch image_epoch);

  std::vector<GrafeoLogFile> files_;
  std::uint64_t size_bytes_ = 0;
  std::vector<grafeo::V1EpochAdvance> advances_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace epochfs::engine
