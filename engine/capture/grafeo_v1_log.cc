#include "engine/capture/grafeo_v1_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/storage/local_files.h"

namespace epochfs::engine {
namespace {

constexpr std::size_t kV1LogChunkBytes = 1024 * 1024;

}  // namespace

Result<GrafeoV1Log> GrafeoV1Log::open(GrafeoLogFiles log, Epoch image_epoch) {
  GrafeoV1Log opened;
  for (GrafeoLogFile& file : log.files) {
    if (file.number < log.first_needed_sequence) continue;
    opened.size_bytes_ += file.size_bytes;
    opened.files_.push_back(std::move(file));
  }
  TRY(opened.scan());
  TRY(opened.find_begin(image_epoch));
  return opened;
}

Result<void> GrafeoV1Log::scan() {
  grafeo::V1Scanner scanner;
  TRY(read(0, size_bytes_, [&](ByteView bytes) -> Result<void> {
    scanner.push(bytes, advances_);
    return {};
  }));
  const grafeo::V1LogEnd found = scanner.finish();
  end_ = found.end;
  if (!found.damage) return {};
  // Only the file that was written last may end in the middle of a write.
  const GrafeoLogFile& last = files_.back();
  if (found.damage->is_tail && found.damage->offset >= size_bytes_ - last.size_bytes) return {};
  return Error::corrupt(fmt::format("the log beside {}: {} at byte {} of its frames", last.path,
                                    found.damage->reason, found.damage->offset));
}

// Nothing in the log names its image. What follows the image's epoch one by one continues it.
Result<void> GrafeoV1Log::find_begin(Epoch image_epoch) {
  const auto is_newer = [&](const grafeo::V1EpochAdvance& advance) {
    return advance.epoch > image_epoch;
  };
  const auto newer = std::ranges::find_if(advances_, is_newer);
  begin_ = newer == advances_.begin() ? 0 : std::prev(newer)->end;
  Epoch expected = image_epoch;
  for (auto advance = newer; advance != advances_.end(); ++advance) {
    expected = Epoch(expected.get() + 1);
    if (advance->epoch != expected)
      return Error::unsupported(fmt::format(
          "the log goes on with epoch {} where {} is due, so it cannot be told what of it is in "
          "the image; open the database with Grafeo and close it",
          advance->epoch.get(), expected.get()));
  }
  if (newer != advances_.end() && begin_ != 0 && std::prev(newer)->epoch != image_epoch)
    return Error::unsupported(fmt::format(
        "the image is of epoch {}, which the log skips; open the database with Grafeo and close it",
        image_epoch.get()));
  advances_.erase(advances_.begin(), newer);
  // Nothing is committed behind the image: whatever lies there was never finished.
  if (advances_.empty()) end_ = begin_;
  return {};
}

std::vector<Epoch> GrafeoV1Log::epochs_after(std::uint64_t position) const {
  std::vector<Epoch> epochs;
  for (const grafeo::V1EpochAdvance& advance : advances_) {
    if (advance.end > position) epochs.push_back(advance.epoch);
  }
  return epochs;
}

std::uint64_t GrafeoV1Log::files_after(std::uint64_t position) const {
  std::uint64_t count = 0;
  std::uint64_t file_begin = 0;
  for (const GrafeoLogFile& file : files_) {
    const std::uint64_t file_end = file_begin + file.size_bytes;
    if (file_end > position && file_begin < end_) ++count;
    file_begin = file_end;
  }
  return count;
}

std::optional<std::uint64_t> GrafeoV1Log::finished_sequence() const {
  if (files_.empty() || files_.back().size_bytes > 0 || files_.back().number == 0)
    return std::nullopt;
  return files_.back().number - 1;
}

Result<void> GrafeoV1Log::read(std::uint64_t begin, std::uint64_t end, const Sink& sink) const {
  std::uint64_t file_begin = 0;
  Bytes chunk;
  for (const GrafeoLogFile& file : files_) {
    const std::uint64_t file_end = file_begin + file.size_bytes;
    for (std::uint64_t at = std::max(begin, file_begin); at < std::min(end, file_end);
         at += chunk.size()) {
      chunk.resize(std::min<std::uint64_t>(kV1LogChunkBytes, std::min(end, file_end) - at));
      TRY(local::read_exactly(file.file, at - file_begin, chunk, file.path));
      TRY(sink(chunk));
    }
    file_begin = file_end;
  }
  return {};
}

Result<void> GrafeoV1Log::make_durable() const {
  for (const GrafeoLogFile& file : files_) TRY(local::sync_file(file.file, file.path));
  return {};
}

}  // namespace epochfs::engine
