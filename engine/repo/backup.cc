// init_repository() and backup(): a live database's changes into a native repository.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "engine/capture/grafeo_image.h"
#include "engine/capture/snapshot.h"
#include "engine/capture/source_path.h"
#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/grafeo/manifest.h"
#include "engine/formats/native/seal.h"
#include "engine/repo/backup_target.h"
#include "engine/repo/epoch_states.h"
#include "engine/repo/grafeo_backup.h"
#include "engine/repo/image_walk.h"
#include "engine/repo/lost_races.h"
#include "engine/repo/native_tip.h"
#include "engine/repo/native_writer.h"
#include "engine/repo/operations.h"
#include "engine/repo/zlayer_backup.h"
#include "engine/source/history.h"
#include "engine/storage/has_object.h"
#include "engine/storage/open_storage.h"
#include "engine/storage/temporary_directory.h"
#include "engine/view/native_view.h"

namespace epochfs::engine {
namespace {

// A new full is due when the incrementals on the newest one have cost this many times as much as it
// did: their pages have drifted so far from its images that storing them whole is no longer much
// dearer.
constexpr std::uint64_t kChainCostMax = 2;
// Below this a chain is too small to bother.
constexpr std::uint64_t kChainBytesFree = 4ULL * 1024 * 1024;
// How often what cannot be read of the repository is tried before it counts as lost.
constexpr int kReadAttempts = 3;
// A multiple of every page size.
constexpr std::uint64_t kHashedAtOnce = 1024 * 1024;

// One backup. run() may try several times; everything it holds but the writer is made anew each
// time.
class Backup {
 public:
  explicit Backup(BackupOptions options) : options_(std::move(options)) {}

  Result<BackupReport> run() {
    const auto begin = std::chrono::steady_clock::now();
    TRY_ASSIGN(report_.database, database_name(options_.name, options_.database_path));
    TRY(check_file_name(last_component(options_.database_path)));
    TRY(open_repository());
    for (attempt_ = 1;; ++attempt_) {
      changed_while_read_ = could_not_read_ = false;
      auto done = attempt_once();
      if (done) break;
      if (!(changed_while_read_ || could_not_read_) || attempt_ == kSnapshotAttempts)
        return tl::unexpected(std::move(done).error());
    }
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  SnapshotOptions snapshot_options() const {
    SnapshotOptions snapshot;
    snapshot.path = options_.database_path;
    snapshot.engine = options_.engine;
    // Once a database is known as SQLite, a file that no longer is one is a failure, not a new kind
    // of backup.
    if (!snapshot.engine && writer_ && !writer_->is_new())
      snapshot.engine = writer_->manifest().engine;
    snapshot.temp_directory = temporary_parent();
    return snapshot;
  }

  Result<std::unique_ptr<Snapshot>> look() const { return open_snapshot(snapshot_options()); }

  Result<void> open_repository() {
    TRY_ASSIGN(const auto storage, open_storage(options_.location));
    TRY_ASSIGN(const bool present, has_object(*storage, native::kRepositoryFile));
    TRY_ASSIGN(const bool known, present ? has_object(*storage, manifest_path(report_.database))
                                         : Result<bool>(false));
    const bool first_use = !known;
    // A database that cannot be read must leave no trace in the repository.
    if (first_use) TRY(look());
    TRY_ASSIGN(repository_,
               open_target(options_.location, options_.cache_directory, !options_.dry_run));
    if (first_use && options_.dry_run) return {};
    TRY_ASSIGN(NativeWriter writer,
               NativeWriter::open(repository_->parts(), report_.database, options_.wait));
    writer_.emplace(std::move(writer));
    if (!writer_->is_new() && options_.engine && *options_.engine != writer_->manifest().engine)
      return Error::invalid(fmt::format(
          "{} is backed up with engine {}: choose another --name for a backup with engine {}",
          report_.database, native::engine_name(writer_->manifest().engine),
          native::engine_name(*options_.engine)));
    return {};
  }

  Result<void> attempt_once() {
    // Before the database is looked at: in some journal modes its writers wait from then on.
    tip_.reset();
    tip_is_old_ = false;
    known_hashes_.clear();
    if (writer_ && !writer_->is_new()) {
      TRY_ASSIGN(tip_, load_first_tip());
      read_hashes_ahead();
    }
    TRY_ASSIGN(snapshot_, look());
    const SnapshotInfo& info = snapshot_->info();
    report_.engine = info.engine;
    if (options_.dry_run && !writer_) {
      report_.reason = "first backup of this database";
      report_.wrote_full = true;
      report_.epochs_added = 1;
      report_.first_new = report_.newest = Epoch(1);
      report_.pages_stored = info.page_size.pages_in(info.size_bytes);
      return {};
    }
    if (writer_->is_new())
      writer_->describe(info.engine, info.file_name);
    else
      TRY(check_same_database(info));
    if (tip_)
      TRY(take_changes());
    else
      TRY(take_full(writer_->last_epoch().get() == 0
                        ? "first backup of this database"
                        : "the newest epochs in the repository are damaged"));
    report_.bytes_read = snapshot_->bytes_read();
    if (!options_.dry_run) TRY(finish());
    return {};
  }

  // `a/app.db` and `b/app.sqlite` get the same name unless told otherwise.
  Result<void> check_same_database(const SnapshotInfo& info) const {
    const std::string& known = writer_->manifest().file_name;
    if (info.file_name == known) return {};
    return Error::invalid(
        fmt::format("{} holds the history of {}, not of {}: choose another with --name",
                    report_.database, printable(known), printable(info.file_name)));
  }

  // Why pages were compared, or a full was taken: often because this is another database than the
  // last time. A path that no JSON can hold is never found again in the cursor.
  std::string explained(const std::string& reason) const {
    const std::string path = snapshot_->cursor().source_path;
    if (reason.empty() || !last_time_ || !last_time_->source_path.starts_with('/') ||
        last_time_->source_path == path || printable(path) != path)
      return reason;
    return fmt::format("the database was backed up from {} before: {}", last_time_->source_path,
                       reason);
  }

  // The index is no part of a backup: a cache that has no room for it (which LMDB calls an I/O
  // error when a part of a page still fits) must not keep anybody from one.
  Result<std::optional<NativeTip>> load_first_tip() {
    auto tip = load_tip();
    if (tip || (tip.error().code != Code::kNoSpace && tip.error().code != Code::kIo)) return tip;
    auto elsewhere = index_elsewhere().and_then([this] { return load_tip(); });
    if (!elsewhere) return tip;
    report_.warning = std::move(tip).error().text;
    return elsewhere;
  }

  Result<void> index_elsewhere() {
    TRY_ASSIGN(TemporaryDirectory directory, TemporaryDirectory::create(temporary_parent()));
    other_cache_.emplace(std::move(directory));
    TRY_ASSIGN(indexed_, open_target(options_.location, other_cache_->path(), false));
    return {};
  }

  // nullopt when nothing can be built upon.
  Result<std::optional<NativeTip>> load_tip() {
    const NativeParts& parts = (indexed_ ? indexed_ : repository_)->parts();
    TRY_ASSIGN(NativeEnd end, find_native_end(parts, *writer_, report_.database,
                                              std::exchange(look_again_, false)));
    not_before_ = end.not_before;
    if (end.tip) report_.newest = end.tip->at.facts.epoch;
    return std::move(end.tip);
  }

  // All that pages will be compared with, where writers would wait for a slow store otherwise. What
  // cannot be had now is asked for again when it is needed, and missed then.
  void read_hashes_ahead() {
    constexpr std::uint64_t kPagesAtOnce = 16384;
    constexpr std::uint64_t kPagesMax = 4ULL * 1024 * 1024;  // 32 MiB of hashes
    if (!tip_ || writer_->manifest().engine != native::Engine::kSqlite ||
        (tip_->at.facts.flags & native::kEpochWalMode) != 0)
      return;
    const std::uint64_t pages = std::min(tip_->at.page_count(), kPagesMax);
    for (std::uint64_t page = 1; page <= pages; page += kPagesAtOnce) {
      const auto hashes = tip_->source->page_hashes(
          tip_->at, {page_no(page), page_no(std::min(page + kPagesAtOnce - 1, pages))});
      if (!hashes) return;
      known_hashes_.insert(known_hashes_.end(), hashes->begin(), hashes->end());
    }
  }

  // The tip after what was committed last. Not before it is needed: the index is no part of a
  // backup, and what is committed stays so whatever becomes of it.
  Result<void> renew_tip() {
    if (!std::exchange(tip_is_old_, false)) return {};
    TRY_ASSIGN(tip_, load_tip());
    if (!tip_) return Error::corrupt("the segment just written cannot be read back");
    return {};
  }

  Result<void> take_changes() {
    bool repository_damaged = false;
    const NativeTip tip = *tip_;
    TRY_ASSIGN(StoredCursor cursor, read_cursor(*repository_->parts().storage, report_.database));
    last_time_ = std::move(cursor.cursor);
    KnownState known{
        tip.at.facts, tip.at.base_row.page_size, last_time_,
        [this, &repository_damaged, tip](PageRange pages) -> Result<std::vector<std::uint64_t>> {
          if (pages.last.get() <= known_hashes_.size())
            return std::vector(known_hashes_.begin() + pages.first.get() - 1,
                               known_hashes_.begin() + pages.last.get());
          auto hashes = tip.source->page_hashes(tip.at, pages);
          if (!hashes) note_unreadable(hashes.error(), repository_damaged);
          return hashes;
        }};
    if (known.cursor && known.cursor->epoch != known.newest.epoch) known.cursor.reset();
    auto taken = take_batches(known, repository_damaged);
    if (taken || !repository_damaged) return taken;
    return take_full_instead(taken.error());
  }

  // Damage stays. What could not be read is tried again, the index as well if it was made anew
  // meanwhile, and counts as damage in the end: a disk has bad blocks. A store that does not answer
  // is no reason for anything.
  void note_unreadable(const Error& error, bool& damaged) {
    damaged |= is_damage(error) || (error.code == Code::kIo && attempt_ >= kReadAttempts);
    could_not_read_ |= error.code == Code::kIo || error.code == Code::kNoSuchEpoch;
  }

  // What the repository holds cannot be built upon, the database itself can.
  Result<void> take_full_instead(const Error& damage) {
    TRY_ASSIGN(snapshot_, look());
    could_not_read_ = false;
    return take_full("the newest epoch in the repository cannot be read: " + damage.text);
  }

  Result<void> take_batches(const KnownState& known, bool& repository_damaged) {
    TRY_ASSIGN(const auto changes, snapshot_->changes_since(known));
    if (changes->needs_full()) return take_full(explained(*changes->needs_full()));
    report_.reason = explained(changes->page_diff_reason());
    while (true) {
      TRY_ASSIGN(const auto batch, changes->next());
      if (!batch) return {};
      TRY(options_.dry_run ? count_batch(*batch) : store_batch(*batch, repository_damaged));
    }
  }

  Result<void> count_batch(ChangeBatch& batch) {
    add_epochs(batch.epochs().size());
    report_.wrote_incremental = true;
    return batch.visit([&](PageNo, std::uint32_t, ByteView) -> Result<void> {
      ++report_.pages_stored;
      return {};
    });
  }

  // Hashes of pages that were read: what a damaged record says of its own would go into the state
  // hashes of all epochs to come. The blocks stay in the cache, as prefixes of what is written.
  static Result<std::vector<std::uint64_t>> hashes_of_read(const NativeSource& source,
                                                           const EpochContext& at,
                                                           PageRange pages) {
    const PageSize page_size = at.base_row.page_size;
    const std::uint64_t begin = page_size.offset_of(pages.first);
    const std::uint64_t end =
        std::min(page_size.offset_of(pages.last) + page_size.bytes(), at.facts.size_bytes);
    std::vector<std::uint64_t> hashes;
    Bytes padded(page_size.bytes());
    for (std::uint64_t offset = begin; offset < end; offset += kHashedAtOnce) {
      TRY_ASSIGN(const Pieces pieces,
                 source.read(at, {offset, std::min(kHashedAtOnce, end - offset)}));
      for (const Piece& piece : pieces) {
        for (std::size_t i = 0; i < piece.bytes.size(); i += page_size.bytes()) {
          const ByteView page = piece.bytes.subspan(
              i, std::min<std::size_t>(page_size.bytes(), piece.bytes.size() - i));
          if (page.size() < padded.size()) copy_bytes(page, padded);  // the last one, once
          hashes.push_back(page_hash(page.size() < padded.size() ? ByteView(padded) : page));
        }
      }
    }
    return hashes;
  }

  Result<void> store_batch(ChangeBatch& batch, bool& repository_damaged) {
    TRY(renew_tip());
    const EpochContext& at = tip_->at;
    const PageSize page_size = at.base_row.page_size;
    const std::vector<EpochDraft>& drafts = batch.epochs();
    const Epoch first(writer_->last_epoch().get() + 1);
    const Epoch last(first.get() + drafts.size() - 1);
    TRY_ASSIGN(auto segment, writer_->begin_incremental(first, last));
    IncrementalWriter records(*segment.upload, page_size,
                              BaseImage{at.base_row.end_epoch, at.base_row.image_bytes}, first,
                              last, SegmentWriterOptions{});

    std::vector<std::uint64_t> sizes;
    sizes.reserve(drafts.size());
    for (const EpochDraft& draft : drafts) sizes.push_back(draft.size_bytes);
    EpochStates states(page_size, at.facts.size_bytes, at.facts.state, sizes, [&](PageRange pages) {
      auto hashes = hashes_of_read(*tip_->source, at, pages);
      if (!hashes) note_unreadable(hashes.error(), repository_damaged);
      return hashes;
    });
    std::vector<std::uint32_t> pages_changed(drafts.size());
    PageNo prefix_page;
    Piece prefix;
    TRY(batch.visit([&](PageNo page, std::uint32_t ordinal, ByteView bytes) -> Result<void> {
      const std::uint64_t hash = page_hash(bytes);
      TRY_ASSIGN(const bool differs, states.version(page, ordinal, hash));
      if (!differs) return {};
      if (page != prefix_page) {
        auto base = tip_->source->base_page(at, page);
        if (!base) {
          note_unreadable(base.error(), repository_damaged);
          return tl::unexpected(std::move(base).error());
        }
        prefix = *std::move(base);
        prefix_page = page;
      }
      ++pages_changed[ordinal];
      if (options_.progress) options_.progress(snapshot_->bytes_read(), 0);
      return records.append(page, Epoch(first.get() + ordinal), hash, bytes, prefix.bytes);
    }));
    TRY_ASSIGN(const auto hashes, states.finish());

    std::vector<native::EpochFacts> facts;
    facts.reserve(drafts.size());
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      facts.push_back(facts_of(drafts[i], Epoch(first.get() + i)));
      facts.back().state = hashes[i];
      facts.back().pages_changed = pages_changed[i];
    }
    TRY_ASSIGN(const SegmentSummary summary, records.finish(facts));
    TRY(confirm());
    TRY(writer_->commit(std::move(segment), summary));
    report_.wrote_incremental = true;
    report_.pages_stored += summary.footer.version_count;
    report_.bytes_stored += summary.size_bytes;
    add_epochs(drafts.size());
    tip_is_old_ = true;
    return {};
  }

  // A full of the database as it is now: a new epoch.
  Result<void> take_full(const std::string& reason) {
    report_.reason = reason;
    report_.pages_stored = 0;
    const SnapshotInfo& info = snapshot_->info();
    if (options_.dry_run) {
      report_.wrote_full = true;
      report_.pages_stored = info.page_size.pages_in(info.size_bytes);
      add_epochs(1);
      return {};
    }
    const Epoch epoch(writer_->last_epoch().get() + 1);
    TRY_ASSIGN(auto segment, writer_->begin_full(epoch));
    FullWriter full(*segment.upload, info.page_size, SegmentWriterOptions{});
    std::uint64_t done = 0;
    TRY(snapshot_->read_image([&](ByteView bytes) -> Result<void> {
      done += bytes.size();
      if (options_.progress) options_.progress(done, info.size_bytes);
      return full.append(bytes);
    }));
    native::EpochFacts facts = facts_of(snapshot_->image_draft(), epoch);
    facts.pages_changed = static_cast<std::uint32_t>(info.page_size.pages_in(facts.size_bytes));
    TRY_ASSIGN(const SegmentSummary summary, full.finish(facts));
    TRY(confirm());
    TRY(writer_->commit(std::move(segment), summary));
    report_.wrote_full = true;
    report_.pages_stored = facts.pages_changed;
    report_.bytes_stored += summary.size_bytes;
    add_epochs(1);
    tip_is_old_ = true;
    return {};
  }

  Result<void> finish() {
    if (report_.epochs_added == 0) TRY(confirm());
    auto prepared = prepare_the_next();
    if (!prepared && report_.epochs_added == 0) return prepared;
    if (!prepared) report_.warning = std::move(prepared).error().text;
    return {};
  }

  // The new epochs are safe already.
  Result<void> prepare_the_next() {
    TRY(save_cursor());
    const Epoch before = *report_.newest;
    TRY(take_base());
    return *report_.newest == before ? Result<void>() : save_cursor();
  }

  Result<void> save_cursor() {
    native::Cursor cursor = snapshot_->cursor();
    cursor.epoch = *report_.newest;
    return writer_->save_cursor(cursor);
  }

  // A new base made from the repository itself, when one is wanted or due.
  Result<void> take_base() {
    const NativeWriter::ChainCost cost = writer_->chain_cost();
    const bool due =
        cost.incremental_bytes > std::max(kChainBytesFree, kChainCostMax * cost.full_bytes);
    if ((!options_.full && !due) || writer_->has_full(writer_->last_epoch())) return {};
    TRY(renew_tip());
    const auto image = open_native_image(tip_->source, tip_->at, repository_->parts().ahead);
    TRY_ASSIGN(auto segment, writer_->begin_full(tip_->at.facts.epoch));
    FullWriter full(*segment.upload, image->page_size(), SegmentWriterOptions{});
    const auto append = [&](std::uint64_t, ByteView bytes) { return full.append(bytes); };
    auto walked = walk_image(*image, ImageSinks{{}, append, options_.progress});
    if (!walked && walked.error().code == Code::kCorrupt) return take_full_instead(walked.error());
    if (!walked) return walked;
    TRY_ASSIGN(const SegmentSummary summary, full.finish(tip_->at.facts));
    TRY(writer_->commit(std::move(segment), summary));
    report_.wrote_full = true;
    report_.bytes_stored += summary.size_bytes;
    if (due && report_.reason.empty())
      report_.reason = fmt::format("a new full was due: the incrementals had grown to {}",
                                   human_bytes(cost.incremental_bytes));
    return {};
  }

  native::EpochFacts facts_of(const EpochDraft& draft, Epoch epoch) const {
    native::EpochFacts facts;
    facts.epoch = epoch;
    facts.captured = snapshot_->cursor().looked;
    facts.committed = std::max(facts.captured, tip_ ? tip_->at.facts.committed : not_before_);
    facts.size_bytes = draft.size_bytes;
    facts.position = draft.position;
    facts.how = draft.how;
    facts.commits_folded = draft.commits_folded;
    facts.flags = draft.flags;
    return facts;
  }

  Result<void> confirm() {
    auto confirmed = snapshot_->confirm();
    changed_while_read_ = !confirmed && confirmed.error().code == Code::kBusy;
    return confirmed;
  }

  void add_epochs(std::uint64_t count) {
    const std::uint64_t before =
        report_.newest ? report_.newest->get() : writer_->last_epoch().get();
    report_.epochs_added += count;
    const std::uint64_t newest = options_.dry_run ? before + count : writer_->last_epoch().get();
    if (!report_.first_new) report_.first_new = Epoch(newest - count + 1);
    report_.newest = Epoch(newest);
  }

  BackupOptions options_;
  BackupReport report_;
  std::shared_ptr<NativeRepository> repository_;
  std::optional<TemporaryDirectory> other_cache_;
  std::shared_ptr<NativeRepository> indexed_;  // with the index in there; nullptr: repository_
  std::optional<NativeWriter> writer_;
  std::unique_ptr<Snapshot> snapshot_;
  std::optional<NativeTip> tip_;
  bool tip_is_old_ = false;                      // epochs were committed since it was loaded
  std::optional<native::Cursor> last_time_;      // how the backup before found the database
  std::vector<std::uint64_t> known_hashes_;      // of the newest epoch, if they were read ahead
  UtcTime not_before_ = NativeEnd().not_before;  // for the next commit
  int attempt_ = 0;
  bool changed_while_read_ = false;
  bool could_not_read_ = false;  // the repository, and it is no damage
  bool look_again_ = true;       // at damage that an earlier command found: it may be mended
};

// What a database is backed up as does not change; a new one shows what it is.
Result<bool> is_of_grafeo(const BackupOptions& options) {
  if (options.engine) return *options.engine == native::Engine::kGrafeo;
  TRY_ASSIGN(const std::string name, database_name(options.name, options.database_path));
  TRY_ASSIGN(const auto storage, open_storage(options.location));
  const auto known = load_manifest(*storage, name);
  if (known) return known->manifest.engine == native::Engine::kGrafeo;
  // Whatever else is wrong with it is told where it is opened.
  if (known.error().code == Code::kUnreachable) return tl::unexpected(known.error());
  return GrafeoImage::is_one(options.database_path);
}

Result<BackupReport> backup_once(const BackupOptions& options) {
  if (options.format) return backup_grafeo(options);
  if (options.zlayer) return backup_zlayer(options);
  TRY_ASSIGN(const bool zlayer, is_zlayer_place(options));
  if (zlayer) return backup_zlayer(options);
  TRY_ASSIGN(const bool grafeo, is_of_grafeo(options));
  return grafeo ? backup_grafeo(options) : Backup(options).run();
}

}  // namespace

Result<void> init_repository(const std::string& location) {
  TRY_ASSIGN(const auto storage, open_storage(location));
  const std::string file(native::kRepositoryFile);
  TRY_ASSIGN(const bool is_one, has_object(*storage, file));
  if (is_one) return Error::exists(fmt::format("{} is a repository already", storage->location()));
  TRY_ASSIGN(const bool is_of_grafeo, has_object(*storage, grafeo::kManifestFile));
  if (is_of_grafeo)
    return Error::exists(
        fmt::format("{} is a backup directory of Grafeo's: --format grafeo-v1 or grafeo-v2 adds to "
                    "it, and a repository of epochfs goes elsewhere",
                    storage->location()));
  const auto listing = storage->list("");
  if (!listing && listing.error().code != Code::kNotFound) return tl::unexpected(listing.error());
  if (listing && !(listing->directories.empty() && listing->objects.empty()))
    return Error::exists(fmt::format("{} is not empty and not a repository", storage->location()));
  const native::RepositoryInfo info{random_identity(), utc_now()};
  const std::string json = native::sealed(native::encode_repository(info));
  auto written = storage->replace(file, as_bytes(json), std::nullopt);
  // Two first backups at once: whoever came first made it.
  if (!written && written.error().code == Code::kLocked && storage->stat(file)) return {};
  return written;
}

Result<BackupReport> backup(const BackupOptions& options) {
  return again_after_lost_races(options.wait, [&] { return backup_once(options); });
}

}  // namespace epochfs::engine
