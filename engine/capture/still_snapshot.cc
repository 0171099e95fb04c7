#include "engine/capture/still_snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/capture/continuity.h"
#include "engine/capture/page_diff.h"
#include "engine/capture/planned_changes.h"
#include "engine/capture/source_path.h"
#include "engine/capture/spool.h"
#include "engine/core/time.h"
#include "engine/formats/sqlite/database_header.h"

namespace epochfs::engine {
namespace {

class StillSnapshot final : public Snapshot {
 public:
  StillSnapshot(StillDatabase database, const SnapshotOptions& options)
      : database_(std::move(database)),
        options_(options),
        pages_(*database_.file, database_.page_size),
        locked_(database_.stillness == Stillness::kLocked),
        looked_(utc_now()) {
    info_.engine = native::Engine::kSqlite;
    info_.file_name = last_component(options.path);
    info_.page_size = database_.page_size;
    info_.size_bytes = std::uint64_t{database_.page_count} * database_.page_size.bytes();
    info_.journal_mode = database_.journal_mode;
  }

  Result<void> open() {
    if (database_.page_count == 0) return {};
    Bytes page(info_.page_size.bytes());
    TRY(pages_.read(PageNo(1), page));
    TRY_ASSIGN(const auto header,
               with_context(sqlite::parse_database_header(page), [&] { return database_.path; }));
    info_.wal_mode = header.wal_mode;
    change_counter_ = header.change_counter;
    return {};
  }

  const SnapshotInfo& info() const noexcept override { return info_; }

  Result<void> read_image(const std::function<Result<void>(ByteView)>& sink) override {
    if (database_.stillness != Stillness::kLocked)
      return feed_image(pages_, info_.page_size, info_.size_bytes, sink);
    TRY(lock_again());
    TRY_ASSIGN(Spool spool, Spool::create(options_.temp_directory));
    TRY(feed_image(pages_, info_.page_size, info_.size_bytes,
                   [&](ByteView bytes) { return spool.append(bytes); }));
    let_writers_go();
    FilePages spooled(spool.source(), info_.page_size);
    return feed_image(spooled, info_.page_size, info_.size_bytes, sink);
  }

  EpochDraft image_draft() const override {
    EpochDraft draft;
    draft.size_bytes = info_.size_bytes;
    draft.how = native::Captured::kPageDiff;
    draft.flags = info_.wal_mode ? native::kEpochWalMode : 0;
    return draft;
  }

  Result<std::unique_ptr<Changes>> changes_since(const KnownState& known) override {
    if (known.page_size != info_.page_size)
      return PlannedChanges::needing_full(page_size_changed(known.page_size, info_.page_size));
    if (is_unchanged(known)) {
      let_writers_go();
      return std::make_unique<PlannedChanges>();
    }
    return changed_pages(known);
  }

  Result<void> confirm() override {
    if (database_.stillness == Stillness::kOwned) return {};
    if (database_.connection->moved())
      return Error::busy(
          fmt::format("{}: was replaced while it was read; try again", database_.path));
    if (database_.stillness == Stillness::kLocked) return {};
    TRY_ASSIGN(const FileStamp now, stamp_of(database_.path));
    if (now == database_.stamp) return {};
    return Error::busy(fmt::format("{}: changed while it was read; try again", database_.path));
  }

  native::Cursor cursor() const override {
    native::Cursor cursor;
    cursor.source_path = database_.path;
    cursor.looked = looked_;
    cursor.device = database_.stamp.device;
    cursor.inode = database_.stamp.inode;
    cursor.size_bytes = database_.stamp.size_bytes;
    cursor.change_counter = change_counter_;
    // A recovered copy is not what the file holds.
    if (database_.stillness != Stillness::kOwned && settled(database_.stamp, quiet_until_)) {
      cursor.mtime_ns = database_.stamp.mtime_ns;
      cursor.ctime_ns = database_.stamp.ctime_ns;
    }
    return cursor;
  }

  std::uint64_t bytes_read() const noexcept override { return database_.file->bytes_read(); }

 private:
  [[nodiscard]] bool is_unchanged(const KnownState& known) const noexcept {
    const native::Cursor* const cursor = fitting_cursor(known);
    return cursor != nullptr && database_.stillness != Stillness::kOwned &&
           file_untouched(*cursor, database_.stamp) && cursor->change_counter == change_counter_;
  }

  void let_writers_go() noexcept {
    if (!locked_) return;
    quiet_until_ = utc_now();
    database_.connection->unpin();
    locked_ = false;
  }

  // The writers were let go already: the state must still be the one that was read first.
  Result<void> lock_again() {
    if (locked_ || database_.stillness != Stillness::kLocked) return {};
    TRY_ASSIGN(const Pin pin, database_.connection->pin());
    locked_ = pin == Pin::kTaken;
    TRY_ASSIGN(const FileStamp now, stamp_of(database_.path));
    if (locked_ && now == database_.stamp && settled(now, quiet_until_)) return {};
    let_writers_go();
    return Error::busy(
        fmt::format("{}: changed since it was read first; try again", database_.path));
  }

  // The counter in the header grows with every transaction in the rollback-journal modes.
  [[nodiscard]] std::uint32_t commits_since(const KnownState& known) const noexcept {
    const native::Cursor* const cursor = fitting_cursor(known);
    const bool counted = cursor != nullptr && cursor->device == database_.stamp.device &&
                         cursor->inode == database_.stamp.inode && !info_.wal_mode &&
                         (known.newest.flags & native::kEpochWalMode) == 0;
    return counted ? change_counter_ - cursor->change_counter : 0;
  }

  Result<std::unique_ptr<Changes>> changed_pages(const KnownState& known) {
    TRY(lock_again());
    std::optional<Spool> spool;
    if (database_.stillness == Stillness::kLocked) {
      TRY_ASSIGN(spool, Spool::create(options_.temp_directory));
    }
    const auto keep = [&](PageNo, ByteView bytes) -> Result<void> {
      return spool ? spool->append(bytes) : Result<void>();
    };
    TRY_ASSIGN(PageSet changed, compare_pages(pages_, info_.page_size, database_.page_count,
                                              expected_pages(known), keep));
    let_writers_go();
    auto changes = std::make_unique<PlannedChanges>();
    changes->set_page_diff_reason(database_.stillness == Stillness::kOwned
                                      ? "the database had to be recovered from a crash"
                                      : "the database keeps no log of past transactions");
    const bool any = std::find(changed.begin(), changed.end(), true) != changed.end();
    if (!any && known.newest.size_bytes == info_.size_bytes) return changes;
    EpochDraft draft = image_draft();
    draft.commits_folded = commits_since(known);
    if (spool) spooled_ = std::move(*spool).take_source();
    const auto read = [this](PageNo page, std::uint64_t number, MutableByteView out) {
      return spooled_ ? spooled_->read_at(number * info_.page_size.bytes(), out)
                      : pages_.read(page, out);
    };
    changes->add([this, draft, read, kept = std::move(changed)]() mutable {
      return Result<std::unique_ptr<ChangeBatch>>(
          make_diff_batch(draft, info_.page_size, std::move(kept), read));
    });
    return changes;
  }

  StillDatabase database_;
  SnapshotOptions options_;
  SnapshotInfo info_;
  FilePages pages_;
  std::unique_ptr<ByteSource> spooled_;  // the changed pages, one after another
  bool locked_;
  std::uint32_t change_counter_ = 0;
  UtcTime looked_;
  UtcTime quiet_until_ = looked_;  // nobody can have written between the stamp and this moment
};

}  // namespace

Result<void> describe(Connection& connection, StillDatabase& database) {
  TRY_ASSIGN(database.journal_mode, connection.text("PRAGMA journal_mode"));
  TRY_ASSIGN(const std::uint64_t page_bytes, connection.number("PRAGMA page_size"));
  TRY_ASSIGN(database.page_size, PageSize::from(page_bytes));
  TRY_ASSIGN(const std::uint64_t pages, connection.number("PRAGMA page_count"));
  database.page_count = static_cast<std::uint32_t>(pages);
  return {};
}

Result<std::unique_ptr<Snapshot>> open_still_snapshot(StillDatabase database,
                                                      const SnapshotOptions& options) {
  auto snapshot = std::make_unique<StillSnapshot>(std::move(database), options);
  TRY(snapshot->open());
  return std::unique_ptr<Snapshot>(std::move(snapshot));
}

}  // namespace epochfs::engine
