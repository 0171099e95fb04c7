#include "engine/capture/wal_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/capture/page_diff.h"
#include "engine/capture/planned_changes.h"
#include "engine/capture/source_path.h"
#include "engine/capture/spool.h"
#include "engine/capture/wal_plan.h"
#include "engine/core/time.h"
#include "engine/formats/sqlite/database_header.h"

namespace epochfs::engine {
namespace {

class WalSnapshot final : public Snapshot {
 public:
  WalSnapshot(Connection connection, bool made_log, SnapshotOptions options)
      : connection_(std::move(connection)),
        made_log_(made_log),
        path_(connection_->path()),
        options_(std::move(options)) {}

  ~WalSnapshot() override {
    connection_->unpin();
    connection_.reset();
    if (made_log_) clear_empty_log(path_);
  }

  Result<void> open() {
    for (int tries = 1;; ++tries) {
      auto looked = look();
      if (looked || looked.error().code != Code::kBusy || tries == kPinTries) return looked;
      TRY(pin_again());
    }
  }

  const SnapshotInfo& info() const noexcept override { return info_; }

  Result<void> read_image(const std::function<Result<void>(ByteView)>& sink) override {
    return feed_image(*newest_, info_.page_size, info_.size_bytes, sink);
  }

  EpochDraft image_draft() const override {
    EpochDraft draft;
    draft.size_bytes = info_.size_bytes;
    draft.position = position_;
    draft.how = native::Captured::kPageDiff;
    draft.flags = info_.wal_mode ? native::kEpochWalMode : 0;
    return draft;
  }

  Result<std::unique_ptr<Changes>> changes_since(const KnownState& known) override {
    if (known.page_size != info_.page_size)
      return PlannedChanges::needing_full(page_size_changed(known.page_size, info_.page_size));
    Verdict verdict = judge(known, state_, stamp_);
    if (verdict.continuity == Continuity::kUnchanged) return std::make_unique<PlannedChanges>();
    if (verdict.continuity == Continuity::kUnknown)
      return changed_pages(known, std::move(verdict.reason));
    TRY_ASSIGN(const auto log, log_to_keep(verdict.continuity == Continuity::kRestarted));
    if (!log) return changed_pages(known, why_no_log_);
    WalScene scene = {*log, &*database_, &*newest_, &*index_, state_, page_count_};
    TRY_ASSIGN(CommitPlan plan,
               plan_commits(verdict.continuity, known, scene, options_.frames_per_batch));
    if (!plan.refusal.empty()) return changed_pages(known, std::move(plan.refusal));
    return commits(std::move(plan), *log);
  }

  Result<void> confirm() override {
    if (connection_->moved())
      return Error::busy(fmt::format("{}: was replaced while it was read; try again", path_));
    if (!state_.database_is_complete()) return confirm_log();
    TRY_ASSIGN(const FileStamp now, stamp_of(path_));
    if (now != stamp_)
      return Error::busy(
          fmt::format("{}: was written to past SQLite while it was read; try again", path_));
    // Until the clock has ticked, the stamp could not tell a later write from this one.
    const UtcTime ready(stamp_.ctime_ns + kTickNs);
    if (ready > utc_now() && ready.get() - utc_now().get() <= kTickNs)
      std::this_thread::sleep_for(std::chrono::nanoseconds(ready.get() - utc_now().get() + 1));
    stamp_tells_ = settled(stamp_, utc_now());
    return {};
  }

  native::Cursor cursor() const override {
    native::Cursor cursor;
    cursor.source_path = path_;
    cursor.looked = looked_;
    cursor.device = stamp_.device;
    cursor.inode = stamp_.inode;
    cursor.size_bytes = stamp_.size_bytes;
    if (stamp_tells_) {
      cursor.mtime_ns = stamp_.mtime_ns;
      cursor.ctime_ns = stamp_.ctime_ns;
    }
    cursor.change_counter = change_counter_;
    cursor.has_wal = state_.header.last_frame != 0;
    if (cursor.has_wal) {
      cursor.position = position_;
      cursor.checksum1 = state_.header.checksum.first;
      cursor.checksum2 = state_.header.checksum.second;
    }
    return cursor;
  }

  std::uint64_t bytes_read() const noexcept override {
    return database_file_->bytes_read() + log_file_->bytes_read();
  }

 private:
  // How often to pin again when the log is restarted between the pin and the first look at it.
  static constexpr int kPinTries = 5;
  // The clock that stamps files has ticked for sure.
  static constexpr std::int64_t kTickNs = 110'000'000;

  Result<void> pin_again() {
    connection_->unpin();
    TRY_ASSIGN(const Pin pin, connection_->pin());
    TRY_ASSIGN(const std::string mode, connection_->text("PRAGMA journal_mode"));
    if (pin == Pin::kTaken && mode == "wal") return {};
    return Error::busy(fmt::format("{}: just left WAL mode; try again", path_));
  }

  Result<void> look() {
    TRY_ASSIGN(sqlite3_file* const file, connection_->raw_database_file());
    TRY_ASSIGN(database_file_, connection_->database_file());
    TRY_ASSIGN(log_file_, connection_->log_file());
    index_.emplace(file);
    TRY_ASSIGN(state_, index_->read());
    looked_ = utc_now();
    TRY_ASSIGN(stamp_, stamp_of(path_));
    TRY_ASSIGN(const std::uint64_t page_bytes, connection_->number("PRAGMA page_size"));
    TRY_ASSIGN(info_.page_size, PageSize::from(page_bytes));
    database_.emplace(*database_file_, info_.page_size);
    TRY(read_log_header());
    newest_.emplace(*database_, live_log(), *index_, state_);
    TRY(read_database_header());
    info_.engine = native::Engine::kSqlite;
    info_.file_name = last_component(options_.path);
    info_.journal_mode = "wal";
    return {};
  }

  [[nodiscard]] WalLog live_log() noexcept { return {*log_file_, info_.page_size}; }

  Result<void> read_log_header() {
    const sqlite::WalIndexHeader& newest = state_.header;
    page_count_ = newest.database_pages;
    if (newest.last_frame == 0) {
      TRY_ASSIGN(const std::uint64_t pages, connection_->number("PRAGMA page_count"));
      page_count_ = static_cast<std::uint32_t>(pages);
    } else {
      TRY_ASSIGN(const sqlite::WalHeader header, live_log().header());
      if (header.salts != newest.salts) return restarted();
      if (header.page_size != info_.page_size || newest.page_size != info_.page_size)
        return Error::corrupt(fmt::format(
            "{}: its write-ahead log has pages of {} bytes, the database of {}; they do not belong "
            "together",
            path_, header.page_size.bytes(), info_.page_size.bytes()));
      position_ = {newest.salts.first, newest.salts.second, header.sequence, newest.last_frame};
      TRY_ASSIGN(newest_frame_, live_log().frame_header(newest.last_frame));
    }
    info_.size_bytes = std::uint64_t{page_count_} * info_.page_size.bytes();
    return {};
  }

  Result<void> read_database_header() {
    if (page_count_ == 0) return {};
    Bytes page(info_.page_size.bytes());
    TRY(newest_->read(PageNo(1), page));
    TRY_ASSIGN(const auto header,
               with_context(sqlite::parse_database_header(page), [&] { return path_; }));
    info_.wal_mode = header.wal_mode;
    change_counter_ = header.change_counter;
    return {};
  }

  [[nodiscard]] Failure restarted() const {
    return Error::busy(
        fmt::format("{}: its write-ahead log was restarted while it was read; try again", path_));
  }

  // When everything was copied into the database, the next writer may overwrite the log in spite of
  // our pin; a log that was restarted is being overwritten. Then we need a copy. nullopt: it was
  // overwritten before we had one; the pin keeps the state all the same, which is in the file.
  Result<std::optional<WalLog>> log_to_keep(bool with_old_end) {
    if (!state_.database_is_complete() && !with_old_end) return std::optional(live_log());
    TRY_ASSIGN(const std::uint64_t file_bytes, log_file_->size());
    const std::uint64_t wanted =
        with_old_end ? file_bytes
                     : sqlite::wal_frame_offset(state_.header.last_frame + 1, info_.page_size);
    auto copy = spool_bytes(*log_file_, wanted, options_.temp_directory);
    // Pages can be compared without room for anything.
    if (!copy && copy.error().code == Code::kNoSpace) {
      why_no_log_ = "there is no room for a copy of the write-ahead log";
      return std::optional<WalLog>();
    }
    if (!copy) return tl::unexpected(std::move(copy).error());
    log_copy_ = std::move(*copy).take_source();
    // Whoever restarts a log says so in the index before touching a frame.
    TRY_ASSIGN(const WalIndexState now, index_->read());
    if (now.header.salts != state_.header.salts || now.header.last_frame < state_.header.last_frame)
      return std::optional<WalLog>();
    return std::optional(WalLog(*log_copy_, info_.page_size));
  }

  std::unique_ptr<Changes> commits(CommitPlan plan, WalLog log) {
    auto changes = std::make_unique<PlannedChanges>();
    runs_ = std::move(plan.runs);
    for (const CommitRun& run : runs_) {
      const CommitSource source = {log, &*database_, run.generation, run.orphans};
      for (const CommitCut& cut : run.cuts)
        changes->add([source, cut, weight_max = options_.frames_per_batch] {
          return make_commit_batch(source, cut, weight_max);
        });
    }
    return changes;
  }

  Result<std::unique_ptr<Changes>> changed_pages(const KnownState& known, std::string reason) {
    const auto nothing_to_keep = [](PageNo, ByteView) -> Result<void> { return {}; };
    TRY_ASSIGN(PageSet changed, compare_pages(*newest_, info_.page_size, page_count_,
                                              expected_pages(known), nothing_to_keep));
    auto changes = std::make_unique<PlannedChanges>();
    changes->set_page_diff_reason(std::move(reason));
    const bool any = std::find(changed.begin(), changed.end(), true) != changed.end();
    if (!any && known.newest.size_bytes == info_.size_bytes) return changes;
    // Under the pin the pages can simply be read again.
    const auto read = [this](PageNo page, std::uint64_t, MutableByteView out) {
      return newest_->read(page, out);
    };
    changes->add([this, read, kept = std::move(changed)]() mutable {
      return Result<std::unique_ptr<ChangeBatch>>(
          make_diff_batch(image_draft(), info_.page_size, std::move(kept), read));
    });
    return changes;
  }

  // The log cannot have been restarted; but a recovery after a crash may have shortened it.
  Result<void> confirm_log() {
    TRY_ASSIGN(const WalIndexState now, index_->read());
    if (now.header.salts != state_.header.salts || now.header.last_frame < state_.header.last_frame)
      return restarted();
    TRY_ASSIGN(const auto frame, live_log().frame_header(state_.header.last_frame));
    if (frame != newest_frame_) return restarted();
    return {};
  }

  std::optional<Connection> connection_;  // always there but in the destructor
  bool made_log_;
  std::string path_;
  SnapshotOptions options_;
  SnapshotInfo info_;
  std::unique_ptr<ByteSource> database_file_;
  std::unique_ptr<ByteSource> log_file_;
  std::unique_ptr<ByteSource> log_copy_;
  std::optional<LiveWalIndex> index_;
  WalIndexState state_;
  std::optional<FilePages> database_;
  std::optional<WalPages> newest_;
  std::uint32_t page_count_ = 0;
  std::uint32_t change_counter_ = 0;
  native::SourcePosition position_;
  sqlite::WalFrameHeader newest_frame_;
  FileStamp stamp_;
  bool stamp_tells_ = false;  // equal to it later means untouched since
  UtcTime looked_;
  std::vector<CommitRun> runs_;  // what batches refer to
  std::string why_no_log_ = "the write-ahead log was restarted while it was read";
};

}  // namespace

Result<std::unique_ptr<Snapshot>> open_wal_snapshot(Connection connection, bool made_log,
                                                    const SnapshotOptions& options) {
  auto snapshot = std::make_unique<WalSnapshot>(std::move(connection), made_log, options);
  TRY(snapshot->open());
  return std::unique_ptr<Snapshot>(std::move(snapshot));
}

}  // namespace epochfs::engine
