// The image of a Grafeo database (`name.grafeo`), read whole while the database may be in use.
//
// Trust     none: the headers are parsed, and what they say of the payload is compared with it
// Writes    nothing
// Why       a writer of containers 3 puts a new state into free places of the image and makes it
//           durable before the header that names it, so the state that the newest header names
//           stays whole as long as that header stays the newest. Containers 1 and 2 are written
//           in place: there the lock keeps writers away
// Errors    kNotFound · kInvalid: not a regular file · kBusy: in use, or changed while it was read
//           · kCorrupt · kUnsupported · kIo
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/core/handle.h"
#include "engine/formats/grafeo/image_header.h"

namespace epochfs::engine {

class GrafeoImage {
 public:
  // Whether the file begins as images do, sound or not. A file that cannot be read is none.
  static bool is_one(const std::string& path);
  // `path`: without symbolic links, for the log lies beside the file itself.
  static Result<GrafeoImage> open(const std::string& path);

  [[nodiscard]] const grafeo::ImageHeader& header() const noexcept { return header_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

  // Keeps Grafeo from opening the database for writing as long as the object lives, as its own
  // readers do. kBusy: it is open for writing.
  Result<void> lock_out_writers();

  // Feeds the whole file, size_bytes() long, in order; then checks the payload, and confirm().
  using Sink = std::function<Result<void>(ByteView)>;
  Result<void> read(const Sink& sink) const;
  // kBusy: there is a newer state in the file by now.
  [[nodiscard]] Result<void> confirm() const;

 private:
  GrafeoImage(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<std::vector<grafeo::PayloadCheck>> payload_checks() const;
  Result<void> read_and_check(const Sink& sink) const;

  UniqueFd file_;
  std::string path_;
  std::uint64_t size_bytes_ = 0;
  Bytes header_bytes_;
  grafeo::ImageHeader header_;
};

}  // namespace epochfs::engine
