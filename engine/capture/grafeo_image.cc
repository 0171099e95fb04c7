#include "engine/capture/grafeo_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/core/hash.h"
#include "engine/storage/local_files.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kImageChunkBytes = 1024 * 1024;

// The bytes of one check, out of a file that passes by from its beginning.
class PassingSum {
 public:
  explicit PassingSum(const grafeo::PayloadCheck& check) : check_(check) {}

  void pass(std::uint64_t offset, ByteView bytes) noexcept {
    const std::uint64_t range_end = check_.range.begin + check_.range.size;  // the parser added it
    const std::uint64_t begin = std::max(offset, check_.range.begin);
    const std::uint64_t end = std::min(offset + bytes.size(), range_end);
    if (begin >= end) return;
    crc_.update(bytes.subspan(begin - offset, end - begin));
    seen_ += end - begin;
  }
  [[nodiscard]] bool holds() const noexcept {
    return seen_ == check_.range.size && crc_.value() == check_.crc32;
  }
  [[nodiscard]] std::uint64_t begin() const noexcept { return check_.range.begin; }

 private:
  grafeo::PayloadCheck check_;
  Crc32 crc_;
  std::uint64_t seen_ = 0;
};

Result<std::uint64_t> size_of(const UniqueFd& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(status.st_mode))
    return Error::invalid(path + ": not a regular file; name the image of a Grafeo database");
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

bool GrafeoImage::is_one(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<std::byte, grafeo::kImageMagicSize> start{};
  return file && local::read_exactly(file, 0, start, path) && grafeo::is_image_start(start);
}

Result<GrafeoImage> GrafeoImage::open(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!file) return Error::from_errno(errno, path);
  GrafeoImage image(std::move(file), path);
  image.header_bytes_.resize(grafeo::kImageHeaderSize);
  TRY_ASSIGN(image.size_bytes_, size_of(image.file_, path));
  if (image.size_bytes_ < grafeo::kImageHeaderSize)
    return Error::corrupt(
        fmt::format("{}: {} bytes are no image of Grafeo", path, image.size_bytes_));
  TRY(local::read_exactly(image.file_, 0, image.header_bytes_, path));
  // The file of the state that the header names is as long as that state by now.
  TRY_ASSIGN(image.size_bytes_, size_of(image.file_, path));
  TRY_ASSIGN(image.header_,
             with_context(grafeo::parse_image_header(image.header_bytes_), [&] { return path; }));
  if (image.header_.has_damaged_slot) {
    TRY(image.confirm());  // half of a header that is just being written looks the same
    return Error::corrupt(path +
                          ": one of its two headers is damaged, perhaps the newer one; "
                          "check the database with Grafeo");
  }
  return image;
}

Result<void> GrafeoImage::lock_out_writers() {
  const int error_number = local::lock_file(file_, LOCK_SH | LOCK_NB);
  if (error_number == EWOULDBLOCK)
    return Error::busy(path_ + ": open for writing; close the database, or back it up with Grafeo");
  if (error_number != 0) return Error::from_errno(error_number, path_);
  return confirm();
}

Result<void> GrafeoImage::confirm() const {
  Bytes now(header_bytes_.size());
  const auto read = local::read_exactly(file_, 0, now, path_);
  if (!read || now != header_bytes_)
    return Error::busy(path_ + ": the database was checkpointed while it was read; try again");
  return {};
}

Result<std::vector<grafeo::PayloadCheck>> GrafeoImage::payload_checks() const {
  std::vector<grafeo::PayloadCheck> checks;
  if (!header_.payload) return checks;
  checks.push_back(*header_.payload);
  if (header_.container != 2) return checks;
  Bytes page(grafeo::kImagePageSize);
  TRY(local::read_exactly(file_, header_.payload->range.begin, page, path_));
  TRY_ASSIGN(const auto sections, grafeo::parse_section_directory(page));
  checks.insert(checks.end(), sections.begin(), sections.end());
  return checks;
}

Result<void> GrafeoImage::read_and_check(const Sink& sink) const {
  TRY_ASSIGN(const std::vector<grafeo::PayloadCheck> checks, payload_checks());
  std::vector<PassingSum> sums(checks.begin(), checks.end());
  Bytes chunk(kImageChunkBytes);
  for (std::uint64_t offset = 0; offset < size_bytes_; offset += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(kImageChunkBytes, size_bytes_ - offset));
    TRY(local::read_exactly(file_, offset, chunk, path_));
    // The headers that were judged, whatever they are by now.
    if (offset == 0) std::ranges::copy(header_bytes_, chunk.begin());
    for (PassingSum& sum : sums) sum.pass(offset, chunk);
    TRY(sink(chunk));
  }
  for (const PassingSum& sum : sums) {
    if (!sum.holds())
      return Error::corrupt(fmt::format(
          "{}: the checksum of what begins at byte {} differs; check the database with Grafeo",
          path_, sum.begin()));
  }
  return {};
}

Result<void> GrafeoImage::read(const Sink& sink) const {
  auto fed = read_and_check(sink);
  // A checkpoint explains whatever was wrong.
  TRY(confirm());
  return fed;
}

}  // namespace epochfs::engine
