// One state of a database, page by page.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/capture/byte_source.h"
#include "engine/capture/live_wal_index.h"
#include "engine/capture/wal_log.h"
#include "engine/core/units.h"

namespace epochfs::engine {

class PageReader {
 public:
  PageReader() = default;
  PageReader(const PageReader&) = delete;
  PageReader& operator=(const PageReader&) = delete;
  virtual ~PageReader() = default;

  // `out` is a whole number of pages, from `first` on. Cheapest in ascending order.
  virtual Result<void> read(PageNo first, MutableByteView out) = 0;
};

// The pages of a plain file, zeros behind its end.
class FilePages final : public PageReader {
 public:
  FilePages(ByteSource& file, PageSize page_size) noexcept : file_(&file), page_size_(page_size) {}
  Result<void> read(PageNo first, MutableByteView out) override {
    return file_->read_at(page_size_.offset_of(first), out);
  }

 private:
  ByteSource* file_;
  PageSize page_size_;
};

// What a read transaction at `state` sees: the newest frame that is not yet in the database file,
// else the file. The log must not be restarted while frames are read from it.
class WalPages final : public PageReader {
 public:
  WalPages(FilePages& file, WalLog log, LiveWalIndex& index, const WalIndexState& state)
      : file_(&file), log_(log), index_(&index), state_(state) {}
  Result<void> read(PageNo first, MutableByteView out) override;

 private:
  // Pages per window: 4 MiB of frame numbers, whatever the sizes of database and log.
  static constexpr std::uint32_t kWindowPages = 1'048'576;

  Result<void> load_window(std::uint32_t number);

  FilePages* file_;
  WalLog log_;
  LiveWalIndex* index_;
  WalIndexState state_;
  std::optional<std::uint32_t> window_;
  std::vector<std::uint32_t> newest_frames_;  // of the pages in the window; 0: none
};

// Feeds `size_bytes` bytes of `pages` in order, in pieces of whole pages but the last.
Result<void> feed_image(PageReader& pages, PageSize page_size, std::uint64_t size_bytes,
                        const std::function<Result<void>(ByteView)>& sink);

}  // namespace epochfs::engine
