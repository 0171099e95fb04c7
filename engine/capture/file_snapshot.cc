#include "engine/capture/file_snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/capture/continuity.h"
#include "engine/capture/page_diff.h"
#include "engine/capture/planned_changes.h"
#include "engine/capture/source_path.h"
#include "engine/core/time.h"

namespace epochfs::engine {
namespace {

class FileSnapshot final : public Snapshot {
 public:
  FileSnapshot(std::unique_ptr<ByteSource> file, std::string path, const FileStamp& stamp,
               PageSize page_size, const SnapshotOptions& options)
      : file_(std::move(file)),
        path_(std::move(path)),
        stamp_(stamp),
        options_(options),
        pages_(*file_, page_size),
        looked_(utc_now()) {
    info_.engine = native::Engine::kFile;
    info_.file_name = last_component(options.path);
    info_.page_size = page_size;
    info_.size_bytes = stamp.size_bytes;
  }

  const SnapshotInfo& info() const noexcept override { return info_; }

  Result<void> read_image(const std::function<Result<void>(ByteView)>& sink) override {
    return feed_image(pages_, info_.page_size, info_.size_bytes, sink);
  }

  EpochDraft image_draft() const override {
    EpochDraft draft;
    draft.size_bytes = info_.size_bytes;
    draft.how = native::Captured::kPageDiff;
    return draft;
  }

  Result<std::unique_ptr<Changes>> changes_since(const KnownState& known) override {
    if (known.page_size != info_.page_size)
      return PlannedChanges::needing_full(page_size_changed(known.page_size, info_.page_size));
    auto changes = std::make_unique<PlannedChanges>();
    const native::Cursor* const cursor = fitting_cursor(known);
    if (cursor != nullptr && file_untouched(*cursor, stamp_)) return changes;
    const auto nothing_to_keep = [](PageNo, ByteView) -> Result<void> { return {}; };
    TRY_ASSIGN(PageSet changed,
               compare_pages(pages_, info_.page_size, info_.page_size.pages_in(info_.size_bytes),
                             expected_pages(known), nothing_to_keep));
    changes->set_page_diff_reason("files keep no log of past changes");
    const bool any = std::find(changed.begin(), changed.end(), true) != changed.end();
    if (!any && known.newest.size_bytes == info_.size_bytes) return changes;
    const auto read = [this](PageNo page, std::uint64_t, MutableByteView out) {
      return pages_.read(page, out);
    };
    changes->add([this, read, kept = std::move(changed)]() mutable {
      return Result<std::unique_ptr<ChangeBatch>>(
          make_diff_batch(image_draft(), info_.page_size, std::move(kept), read));
    });
    return changes;
  }

  Result<void> confirm() override {
    TRY_ASSIGN(const FileStamp now, stamp_of(path_));
    if (now == stamp_) return {};
    return Error::busy(fmt::format("{}: changed while it was read; try again", path_));
  }

  native::Cursor cursor() const override {
    native::Cursor cursor;
    cursor.source_path = path_;
    cursor.looked = looked_;
    cursor.device = stamp_.device;
    cursor.inode = stamp_.inode;
    cursor.size_bytes = stamp_.size_bytes;
    if (settled(stamp_, looked_)) {
      cursor.mtime_ns = stamp_.mtime_ns;
      cursor.ctime_ns = stamp_.ctime_ns;
    }
    return cursor;
  }

  std::uint64_t bytes_read() const noexcept override { return file_->bytes_read(); }

 private:
  std::unique_ptr<ByteSource> file_;
  std::string path_;
  FileStamp stamp_;
  SnapshotOptions options_;
  SnapshotInfo info_;
  FilePages pages_;
  UtcTime looked_;
};

// Who has the file mapped writes to pages that are dirty already without any stamp telling of it.
// From here on the next write to each page does.
Result<void> let_stamps_tell(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return Error::from_errno(errno, path);
  // What has nothing to sync (EINVAL, EROFS) is written to by nobody.
  if (::fsync(file.get()) != 0 && errno != EINVAL && errno != EROFS)
    return Error::from_errno(errno, path);
  return {};
}

}  // namespace

Result<std::unique_ptr<Snapshot>> open_file_snapshot(const std::string& path,
                                                     const SnapshotOptions& options) {
  // The stamp first: a file that takes the path later has another one, and confirm() says so.
  TRY_ASSIGN(const FileStamp stamp, wait_until_settled(path));
  TRY(let_stamps_tell(path));
  TRY_ASSIGN(auto file, DescriptorSource::open(path));
  TRY_ASSIGN(const PageSize page_size, PageSize::from(kFileBlockBytes));
  if (page_size.pages_in(stamp.size_bytes) > kPageCountMax)
    return Error::unsupported(
        fmt::format("{}: larger than {} blocks of {} bytes", path, kPageCountMax, kFileBlockBytes));
  return std::make_unique<FileSnapshot>(std::move(file), path, stamp, page_size, options);
}

}  // namespace epochfs::engine
