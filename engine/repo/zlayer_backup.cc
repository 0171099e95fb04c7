#include "engine/repo/zlayer_backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "engine/capture/snapshot.h"
#include "engine/capture/source_path.h"
#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/grafeo/manifest.h"
#include "engine/repo/grafeo_database.h"
#include "engine/repo/image_walk.h"
#include "engine/repo/zlayer_copy_writer.h"
#include "engine/repo/zlayer_database.h"
#include "engine/repo/zlayer_outbox.h"
#include "engine/repo/zlayer_writer.h"
#include "engine/storage/open_storage.h"
#include "engine/storage/temporary_directory.h"

namespace epochfs::engine {
namespace {

// A new snapshot is due when the copies on the newest one have cost this many times as much as it
// did: each copy has everything that those before it have.
constexpr std::uint64_t kCopiesCostMax = 2;
// Below this a chain is too small to bother.
constexpr std::uint64_t kCopiesBytesFree = 4ULL * 1024 * 1024;

// The store is gone, as opposed to in a state in which nothing can be added to it.
bool is_failure_of_storage(const Error& error) noexcept {
  return error.code == Code::kUnreachable || error.code == Code::kIo ||
         error.code == Code::kNoSpace;
}

bool is_damage_of_prefix(const Error& error) noexcept {
  return error.code == Code::kCorrupt || error.code == Code::kNotFound ||
         error.code == Code::kUnsupported;
}

// The log that follows another in the same lineage; without one, the first of a new lineage.
void begin_generation(zlayer::Claim& claim, const zlayer::Claim* before) {
  std::random_device random;
  claim.kind = zlayer::Claim::Kind::kSnapshot;
  claim.is_closed = false;
  claim.salts.first = before != nullptr ? before->salts.first + 1 : random();
  claim.salts.second = random();
  claim.sequence = before != nullptr ? before->sequence + 1 : 0;
  claim.frame = 0;
  claim.checksum = zlayer::generation_header(claim).checksum;
}

class ZlayerBackup {
 public:
  explicit ZlayerBackup(BackupOptions options) : options_(std::move(options)) {}

  Result<BackupReport> run() {
    const auto begin = std::chrono::steady_clock::now();
    if (!options_.name.empty())
      return Error::invalid("a prefix in ZLayer's layout holds one database: no name goes with it");
    if (options_.engine && *options_.engine != native::Engine::kSqlite)
      return Error::invalid("ZLayer's layout holds databases of SQLite only");
    report_.engine = native::Engine::kSqlite;
    report_.database = name_of_directory(options_.location);
    TRY_ASSIGN(source_, resolve(options_.database_path));
    // A database that cannot be read must leave no trace where the backup goes.
    TRY(look());
    TRY_ASSIGN(outbox_, open_outbox());
    TRY(open_prefix());
    TRY(find_tip());
    TRY(finish_generation());
    TRY(back_up());
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  using Feed = std::function<Result<void>(const std::function<Result<void>(ByteView)>& sink)>;

  Result<std::unique_ptr<Snapshot>> look() const {
    SnapshotOptions options;
    options.path = options_.database_path;
    options.engine = native::Engine::kSqlite;
    options.temp_directory = temporary_parent();
    return open_snapshot(options);
  }

  template <class Lock>
  [[nodiscard]] Lock lock() const {
    if (options_.dry_run) return Lock::kNone;
    return options_.wait ? Lock::kWaitFor : Lock::kTake;
  }

  [[nodiscard]] Result<std::optional<ZlayerOutbox>> open_outbox() const {
    return ZlayerOutbox::open(options_.cache_directory, options_.location, source_,
                              lock<ZlayerOutbox::Lock>());
  }

  [[nodiscard]] const std::optional<ZlayerOutbox::Kept>& kept() const { return outbox_->kept(); }

  Result<void> open_prefix() {
    auto prefix = ZlayerWriter::open(options_.location, lock<ZlayerWriter::Lock>());
    if (prefix) {
      prefix_ = *std::move(prefix);
      return {};
    }
    away_ = std::move(prefix).error();
    if (!is_failure_of_storage(*away_) || !kept()) return tl::unexpected(*away_);
    // Only from a state that is known here anything can be kept for later, and a closed generation
    // is not added to.
    const ZlayerTip& tip = kept()->tip;
    if (tip.claim.is_closed || (tip.has_copy() && kept()->copy.empty())) return tell_what_is_kept();
    return {};
  }

  // --- where the prefix stands ---

  Result<void> find_tip() {
    if (!prefix_) {
      tip_ = kept()->tip;
      return {};
    }
    if (!kept()) return load_tip();
    TRY(note_what_arrived());
    TRY_ASSIGN(const bool as_left, is_as_left());
    if (as_left) {
      tip_ = kept()->tip;
      return kept()->is_sent || options_.dry_run ? Result<void>() : send_kept();
    }
    if (kept()->unsent_epochs > 0)
      report_.warning = fmt::format(
          "{} cannot be added: another backup has gone on in {} since; the newest state is stored, "
          "what came between is not",
          what_was_kept(), prefix_->location());
    return load_tip();
  }

  // nullopt: there is none of ours, or it is damaged.
  [[nodiscard]] Result<std::optional<zlayer::Claim>> claim_of_newest() const {
    const ZlayerObject* copy = prefix_->newest_copy();
    const ZlayerObject* newest = copy != nullptr ? copy : prefix_->snapshot();
    if (newest == nullptr) return std::nullopt;
    auto claim = prefix_->claim_of(*newest);
    if (!claim && is_damage_of_prefix(claim.error())) return std::nullopt;
    return claim;
  }

  [[nodiscard]] Result<bool> is_as_left() const {
    const ZlayerObject* snapshot = prefix_->snapshot();
    if (kept()->names != prefix_->names() || snapshot == nullptr ||
        snapshot->name != kept()->tip.snapshot ||
        snapshot->info.size_bytes != kept()->tip.snapshot_bytes)
      return false;
    TRY_ASSIGN(const auto claim, claim_of_newest());
    return claim == kept()->sent;
  }

  std::string what_was_kept() {
    return fmt::format("{} that {} kept in {}", counted(kept()->unsent_epochs, "epoch"),
                       kept()->unsent_epochs == 1 ? "was" : "were", outbox_->directory());
  }

  // An earlier run may have ended between sending the copy and noting that.
  Result<void> note_what_arrived() {
    if (kept()->is_sent || options_.dry_run) return {};
    const ZlayerObject* copy = prefix_->newest_copy();
    if (copy == nullptr || prefix_->names(copy->name) != kept()->names) return {};
    TRY_ASSIGN(const auto claim, claim_of_newest());
    if (claim != kept()->tip.claim) return {};
    const std::uint64_t epochs = kept()->unsent_epochs;
    TRY(note_sent());
    report_.wrote_incremental = epochs > 0;
    add_epochs(epochs);
    return {};
  }

  // What an earlier run could not send.
  Result<void> send_kept() {
    const std::uint64_t epochs = kept()->unsent_epochs;
    TRY_ASSIGN(const auto copy, outbox_->open_copy(kept()->copy));
    const auto sound = visit_zlayer_frames(
        *copy, kept()->tip.claim, [](const Bytes&, std::uint32_t) { return Result<void>(); });
    if (!sound && sound.error().code == Code::kCorrupt) {
      report_.warning = fmt::format("{} {} lost: {}", what_was_kept(), epochs == 1 ? "is" : "are",
                                    sound.error().text);
      TRY(outbox_->forget());
      tip_.reset();
      return load_tip();
    }
    TRY(sound);
    TRY(send());
    report_.wrote_incremental = epochs > 0;
    add_epochs(epochs);
    return {};
  }

  // From the prefix itself, where nothing is known of it here, or something else than is there.
  Result<void> load_tip() {
    if (prefix_->is_empty()) {
      why_full_ = kept() ? "nothing is left of the backups before" : "first backup to this place";
      return {};
    }
    auto tip = read_tip();
    if (tip) {
      tip_ = *std::move(tip);
      return {};
    }
    if (!is_damage_of_prefix(tip.error())) return tl::unexpected(std::move(tip).error());
    TRY(prefix_->check_unchanged());
    why_full_ = std::move(tip).error().text;
    TRY_ASSIGN(newest_of_others_, newest_epoch());
    return {};
  }

  // kCorrupt: there is no state that can be gone on from, and why.
  Result<ZlayerTip> read_tip() const {
    const ZlayerObject* snapshot = prefix_->snapshot();
    if (snapshot == nullptr) return Error::corrupt("its metadata.json names no snapshot there");
    const ZlayerObject* copy = prefix_->newest_copy();
    const ZlayerObject& newest = copy != nullptr ? *copy : *snapshot;
    TRY_ASSIGN(const auto base, prefix_->claim_of(*snapshot));
    TRY_ASSIGN(const auto claim, prefix_->claim_of(newest));
    if (!base || !claim || base->state != claim->base)
      return Error::corrupt("its newest objects were not written by epochfs");
    ZlayerTip tip;
    tip.snapshot = snapshot->name;
    tip.snapshot_bytes = snapshot->info.size_bytes;
    tip.chain_bytes = prefix_->chain_bytes();
    tip.claim = *claim;
    tip.cursor = cursor_of(*claim);
    TRY_ASSIGN(const auto database, open_database());
    TRY_ASSIGN(const auto image, newest_image(*database, *claim));
    TRY_ASSIGN(const bool is_damaged, has_problem(*database, {newest.name, snapshot->name}));
    if (is_damaged) return Error::corrupt("its newest objects are damaged");
    tip.epoch = image->facts().epoch;
    if (claim->pages > 0) {
      TRY_ASSIGN(tip.pages, image->page_hashes({PageNo(1), PageNo(claim->pages)}));
    }
    return tip;
  }

  // With a listing of its own: of what is there now.
  Result<std::shared_ptr<Database>> open_database() const {
    RepositoryOptions options;
    options.location = options_.location;
    options.cache_directory = options_.cache_directory;
    TRY_ASSIGN(const auto repository, ZlayerRepository::open(options));
    return repository->database(report_.database);
  }

  // The newest epoch, which must be what the newest object says it is.
  static Result<std::shared_ptr<const EpochImage>> newest_image(Database& database,
                                                                const zlayer::Claim& claim) {
    TRY_ASSIGN(const auto timeline, database.timeline());
    const auto newest = timeline->newest();
    if (!newest) return Error::corrupt("it has no epoch that can be read");
    TRY_ASSIGN(auto image, database.image(*newest));
    const native::EpochFacts& facts = image->facts();
    const native::SourcePosition& at = facts.position;
    const bool is_commit =
        claim.frame == 0 || (at.salt1 == claim.salts.first && at.salt2 == claim.salts.second &&
                             at.checkpoint_sequence == claim.sequence && at.frame == claim.frame);
    if (facts.state != claim.state || !is_commit ||
        facts.size_bytes != std::uint64_t{claim.pages} * claim.page_size.bytes())
      return Error::corrupt("its newest epoch is not what its newest object says");
    return image;
  }

  static Result<bool> has_problem(Database& database, const std::vector<std::string>& objects) {
    TRY_ASSIGN(const auto timeline, database.timeline());
    const auto& problems = static_cast<const IndexedTimeline&>(*timeline).row().problems;
    return std::ranges::any_of(problems, [&](const IndexProblem& problem) {
      return std::ranges::find(objects, problem.object) != objects.end();
    });
  }

  // --- what is new ---

  Result<void> back_up() {
    for (int attempt = 1;; ++attempt) {
      changed_while_read_ = false;
      auto done = attempt_once();
      if (done) return {};
      if (!changed_while_read_ || attempt == kSnapshotAttempts) return done;
    }
  }

  Result<void> attempt_once() {
    TRY_ASSIGN(snapshot_, look());
    if (!tip_) {
      TRY(take_full(why_full_));
    } else {
      TRY(check_same_database());
      TRY(take_changes());
    }
    report_.bytes_read += snapshot_->bytes_read();
    if (!report_.newest && tip_) report_.newest = tip_->epoch;
    return {};
  }

  Result<void> check_same_database() const {
    if (!tip_->cursor) return {};
    const std::string& path = tip_->cursor->source_path;
    const std::string known = last_component(path);
    const std::string& now = snapshot_->info().file_name;
    if (!path.starts_with('/') || known == now || printable(now) != now) return {};
    return Error::invalid(fmt::format("{} holds the history of {}, not of {}: choose another place",
                                      options_.location, printable(known), printable(now)));
  }

  // Why pages were compared, or a full was taken: often because this is another database than the
  // last time.
  [[nodiscard]] std::string explained(const std::string& reason) const {
    if (reason.empty() || !tip_ || !tip_->cursor || !tip_->cursor->source_path.starts_with('/') ||
        tip_->cursor->source_path == source_ || printable(source_) != source_)
      return reason;
    return fmt::format("the database was backed up from {} before: {}", tip_->cursor->source_path,
                       reason);
  }

  Result<void> take_changes() {
    const std::uint64_t size_bytes = snapshot_->info().size_bytes;
    if (size_bytes == 0 && tip_->claim.pages == 0) return nothing_changed();
    // SQLite takes no log for a database of no size, and no commit makes one of it.
    if ((size_bytes == 0) != (tip_->claim.pages == 0))
      return take_full(size_bytes == 0 ? "the database is empty now" : "the database was empty");
    const ZlayerTip tip = *tip_;
    TRY_ASSIGN(const auto changes, snapshot_->changes_since(tip.known()));
    if (changes->needs_full()) return take_full(explained(*changes->needs_full()));
    const std::string reason = explained(changes->page_diff_reason());
    TRY_ASSIGN(auto batch, changes->next());
    if (!batch) return nothing_changed();
    report_.reason = reason;
    if (options_.dry_run) return count(*changes, std::move(batch));
    return store_changes(*changes, std::move(batch));
  }

  Result<void> count(Changes& changes, std::unique_ptr<ChangeBatch> batch) {
    while (batch) {
      add_epochs(batch->epochs().size());
      TRY(batch->visit([&](PageNo, std::uint32_t, ByteView) -> Result<void> {
        ++report_.pages_stored;
        return {};
      }));
      batch.reset();
      TRY_ASSIGN(batch, changes.next());
    }
    report_.wrote_incremental = true;
    return {};
  }

  Result<void> nothing_changed() {
    TRY(confirm());
    if (options_.dry_run) return {};
    if (away_) return tell_what_is_kept();
    const bool is_snapshot = tip_->claim.frame == 0;
    tip_->cursor = snapshot_->cursor();
    ZlayerOutbox::Kept kept = kept_or_new();
    kept.tip.cursor = tip_->cursor;
    TRY(outbox_->keep(std::move(kept)));
    if (!options_.full || is_snapshot) return {};
    TRY(prefix_->close_generation());
    return take_base();
  }

  // What is kept of a tip that the prefix has.
  [[nodiscard]] ZlayerOutbox::Kept kept_or_new() const {
    if (kept() && kept()->tip.claim == tip_->claim) return *kept();
    ZlayerOutbox::Kept kept;
    kept.tip = *tip_;
    kept.sent = tip_->claim;
    kept.names = prefix_->names();
    return kept;
  }

  // --- another copy ---

  Result<std::shared_ptr<const Blob>> copy_before() const {
    if (!tip_->has_copy()) return std::shared_ptr<const Blob>();
    if (kept() && !kept()->copy.empty() && kept()->tip.claim == tip_->claim)
      return outbox_->open_copy(kept()->copy);
    if (away_) return tl::unexpected(*away_);
    const ZlayerObject* copy = prefix_->newest_copy();
    if (copy == nullptr) return Error::corrupt("the newest copy of the log is gone");
    return prefix_->open_object(copy->name);
  }

  Result<void> store_changes(Changes& changes, std::unique_ptr<ChangeBatch> batch) {
    TRY_ASSIGN(auto open, outbox_->begin_copy());
    ZlayerCopyWriter copy(*open.upload, *tip_, temporary_parent());
    TRY_ASSIGN(const auto before, copy_before());
    auto begun = copy.begin(before.get());
    if (!begun && begun.error().code == Code::kCorrupt && prefix_)
      return without_damaged_copy(begun.error());
    TRY(begun);
    while (batch) {
      if (options_.progress) options_.progress(snapshot_->bytes_read(), 0);
      TRY_ASSIGN(const bool added, copy.add(*batch));
      if (!added && away_) return tl::unexpected(*away_);
      if (!added) return take_full_instead("a transaction without a page cannot be in a log");
      batch.reset();
      TRY_ASSIGN(batch, changes.next());
    }
    TRY(confirm());
    copy.tip().cursor = snapshot_->cursor();
    TRY_ASSIGN(const std::uint64_t stored_bytes, copy.stored_bytes());
    const bool due = prefix_ && is_chain_due(stored_bytes);
    copy.tip().claim.is_closed = prefix_ && (due || options_.full);
    TRY(keep_copy(std::move(open), copy));
    report_.wrote_incremental = true;
    report_.pages_stored += copy.pages_added();
    add_epochs(copy.epochs_added());
    if (away_) return tell_what_is_kept();
    TRY(send());
    if (tip_->claim.is_closed) take_base_if_possible(due);
    return {};
  }

  // What is kept here has gone bad, or the prefix itself: then only another snapshot helps.
  Result<void> without_damaged_copy(const Error& damage) {
    tip_.reset();
    if (kept()) {
      TRY(outbox_->forget());
      TRY(load_tip());
      changed_while_read_ = true;
      return tl::unexpected(damage);
    }
    return take_full_instead(damage.text);
  }

  [[nodiscard]] bool is_chain_due(std::uint64_t stored_bytes) const {
    return tip_->chain_bytes + stored_bytes >
           std::max(kCopiesBytesFree, kCopiesCostMax * tip_->snapshot_bytes);
  }

  // Durable here, before anything of it is sent.
  Result<void> keep_copy(ZlayerOutbox::OpenCopy open, ZlayerCopyWriter& copy) {
    ZlayerOutbox::Kept next = kept_or_new();
    std::uint64_t chain_bytes = tip_->chain_bytes;
    if (!next.is_sent) {
      TRY_ASSIGN(const auto unsent, outbox_->open_copy(next.copy));  // which this one replaces
      chain_bytes -= std::min(chain_bytes, unsent->size_bytes());
    }
    next.unsent_epochs += copy.epochs_added();
    next.is_sent = false;
    next.copy = open.name;
    TRY_ASSIGN(next.tip, copy.finish());
    TRY(open.upload->finish());
    TRY_ASSIGN(const auto blob, outbox_->open_copy(open.name));
    next.tip.chain_bytes = chain_bytes + blob->size_bytes();
    if (away_ && blob->size_bytes() > ZlayerOutbox::kCopyBytesMax)
      return too_large_to_keep(blob->size_bytes());
    TRY(outbox_->keep(std::move(next)));
    tip_ = kept()->tip;
    return {};
  }

  Result<void> send() {
    TRY_ASSIGN(const auto blob, outbox_->open_copy(kept()->copy));
    auto put = prefix_->put_copy(*blob);
    if (!put && is_failure_of_storage(put.error())) {
      away_ = std::move(put).error();
      if (blob->size_bytes() <= ZlayerOutbox::kCopyBytesMax) return tell_what_is_kept();
      TRY(outbox_->forget());
      return too_large_to_keep(blob->size_bytes());
    }
    // Another writer's transactions are there now, and what is kept does not go on from them.
    if (!put && put.error().code == Code::kLocked) TRY(outbox_->forget());
    TRY(put);
    report_.bytes_stored += blob->size_bytes();
    // It is stored. Where that cannot be noted the next backup finds it there.
    const auto noted = note_sent();
    if (!noted) report_.warning = "what is kept here is not up to date: " + noted.error().text;
    return {};
  }

  Result<void> note_sent() {
    ZlayerOutbox::Kept next = *kept();
    next.is_sent = true;
    next.unsent_epochs = 0;
    next.sent = next.tip.claim;
    next.names = prefix_->names();
    TRY_ASSIGN(const auto blob, outbox_->open_copy(next.copy));
    if (blob->size_bytes() > ZlayerOutbox::kCopyBytesMax) next.copy.clear();
    TRY(outbox_->keep(std::move(next)));
    tip_ = kept()->tip;
    return {};
  }

  [[nodiscard]] Result<void> too_large_to_keep(std::uint64_t bytes) const {
    Error error = *away_;
    error.text +=
        fmt::format("; the new epochs are not kept here: they would take {}, of at most {}",
                    human_bytes(bytes), human_bytes(ZlayerOutbox::kCopyBytesMax));
    return tl::unexpected(std::move(error));
  }

  [[nodiscard]] Result<void> tell_what_is_kept() const {
    Error error = *away_;
    if (kept()->unsent_epochs > 0)
      error.text += fmt::format("; {} {} kept in {}, and the next backup of {} to {} sends {}",
                                counted(kept()->unsent_epochs, "new epoch"),
                                kept()->unsent_epochs == 1 ? "is" : "are", outbox_->directory(),
                                printable(source_), options_.location,
                                kept()->unsent_epochs == 1 ? "it" : "them");
    return tl::unexpected(std::move(error));
  }

  // --- another snapshot ---

  // A closed generation that no snapshot was made after: its writer was interrupted.
  Result<void> finish_generation() {
    if (!prefix_ || options_.dry_run || !tip_ || !tip_->claim.is_closed) return {};
    auto based = take_base();
    if (based || !is_damage_of_prefix(based.error())) return based;
    TRY(prefix_->check_unchanged());
    why_full_ = "the newest epochs are damaged: " + based.error().text;
    return {};
  }

  // The new epochs are safe already.
  void take_base_if_possible(bool due) {
    const std::uint64_t chain_bytes = tip_->chain_bytes;
    if (auto based = take_base(); !based) {
      report_.warning = "no new snapshot: " + based.error().text;
    } else if (due && report_.reason.empty()) {
      report_.reason = fmt::format("a new snapshot was due: the copies of the log had grown to {}",
                                   human_bytes(chain_bytes));
    }
  }

  // Of the newest epoch, made from the prefix itself.
  Result<void> take_base() {
    const ZlayerTip tip = *std::exchange(tip_, std::nullopt);
    TRY_ASSIGN(const auto database, open_database());
    TRY_ASSIGN(const auto image, newest_image(*database, tip.claim));
    ZlayerTip next = tip;
    begin_generation(next.claim, &tip.claim);
    const Feed feed = [&](const std::function<Result<void>(ByteView)>& sink) {
      const auto append = [&](std::uint64_t, ByteView bytes) { return sink(bytes); };
      return walk_image(*image, ImageSinks{{}, append, options_.progress});
    };
    return store_snapshot(feed, std::move(next), [] { return Result<void>(); });
  }

  Result<void> take_full_instead(const std::string& why) {
    TRY_ASSIGN(snapshot_, look());
    return take_full(why);
  }

  // Of the database as it is now: a new epoch.
  Result<void> take_full(const std::string& reason) {
    const SnapshotInfo& info = snapshot_->info();
    if (away_) return tl::unexpected(*away_);
    report_.reason = reason;
    report_.pages_stored = info.page_size.pages_in(info.size_bytes);
    if (options_.dry_run) {
      report_.wrote_full = true;
      if (!tip_) report_.newest = newest_of_others_;
      add_epochs(1);
      return {};
    }
    ZlayerTip next;
    if (tip_) next.epoch = Epoch(tip_->epoch.get() + 1);
    next.claim.page_size = info.page_size;
    next.claim.pages = static_cast<std::uint32_t>(info.page_size.pages_in(info.size_bytes));
    begin_generation(next.claim, tip_ ? &tip_->claim : nullptr);
    const Feed feed = [&](const std::function<Result<void>(ByteView)>& sink) {
      std::uint64_t done = 0;
      return snapshot_->read_image([&](ByteView bytes) -> Result<void> {
        done += bytes.size();
        if (options_.progress) options_.progress(done, info.size_bytes);
        return sink(bytes);
      });
    };
    const Epoch before = tip_ ? tip_->epoch : newest_of_others_;
    TRY(store_snapshot(feed, std::move(next), [&]() -> Result<void> {
      TRY(confirm());
      // Who was here before must not go on from what is replaced now.
      return prefix_->close_generation();
    }));
    // Somebody else may have stored that very state before.
    if (tip_->epoch > before) add_epochs(1);
    return {};
  }

  // `before_commit`: called when everything was read, and before any of it takes effect.
  template <class BeforeCommit>
  Result<void> store_snapshot(const Feed& feed, ZlayerTip next, const BeforeCommit& before_commit) {
    TRY_ASSIGN(auto open, prefix_->begin_snapshot(utc_now()));
    std::uint64_t stored_bytes = 0;
    ZstdFrames frames([&](ByteView stored) {
      stored_bytes += stored.size();
      return open.upload->append(stored);
    });
    next.pages.clear();
    const std::size_t page_bytes = next.claim.page_size.bytes();
    TRY(feed([&](ByteView bytes) -> Result<void> {
      for (std::size_t at = 0; at < bytes.size(); at += page_bytes)
        next.pages.push_back(page_hash(bytes.subspan(at, page_bytes)));
      return frames.append(bytes);
    }));
    TRY(frames.finish());
    TRY(before_commit());
    if (snapshot_) next.cursor = snapshot_->cursor();
    next.claim.state = state_of(next.pages, next.claim.page_size);
    next.claim.base = next.claim.state;
    next.claim.cursor = next.cursor ? native::encode_cursor(*next.cursor) : std::string();
    const Bytes tail = zlayer::encode_tail(next.claim, frames.frames());
    TRY(open.upload->append(tail));
    next.snapshot = open.object;
    next.snapshot_bytes = stored_bytes + tail.size();
    next.chain_bytes = 0;
    TRY(prefix_->commit_snapshot(std::move(open), next.snapshot_bytes));
    report_.wrote_full = true;
    report_.bytes_stored += next.snapshot_bytes;
    if (next.epoch == Epoch()) {
      TRY_ASSIGN(next.epoch, newest_epoch());
    }
    tip_ = std::move(next);
    ZlayerOutbox::Kept kept;
    kept.tip = *tip_;
    kept.sent = tip_->claim;
    kept.names = prefix_->names();
    return outbox_->keep(std::move(kept));
  }

  // The newest of all epochs there, whoever stored them, as readers count.
  Result<Epoch> newest_epoch() const {
    TRY_ASSIGN(const auto database, open_database());
    TRY_ASSIGN(const auto timeline, database->timeline());
    return timeline->newest().value_or(Epoch());
  }

  // --- what came of it ---

  Result<void> confirm() {
    auto confirmed = snapshot_->confirm();
    changed_while_read_ = !confirmed && confirmed.error().code == Code::kBusy;
    return confirmed;
  }

  void add_epochs(std::uint64_t count) {
    if (count == 0) return;
    const std::uint64_t before = report_.newest ? report_.newest->get() : 0;
    report_.epochs_added += count;
    const std::uint64_t newest = options_.dry_run
                                     ? std::max(before, tip_ ? tip_->epoch.get() : 0) + count
                                     : tip_->epoch.get();
    if (!report_.first_new) report_.first_new = Epoch(newest - count + 1);
    report_.newest = Epoch(newest);
  }

  BackupOptions options_;
  BackupReport report_;
  std::string source_;  // absolute, without links
  std::optional<ZlayerOutbox> outbox_;
  std::unique_ptr<ZlayerWriter> prefix_;  // nullptr: out of reach
  std::optional<Error> away_;             // why nothing can be stored there now
  std::optional<ZlayerTip> tip_;          // nullopt: there is nothing to go on from
  std::string why_full_;                  // then
  Epoch newest_of_others_;                // likewise
  std::unique_ptr<Snapshot> snapshot_;
  bool changed_while_read_ = false;
};

}  // namespace

Result<BackupReport> backup_zlayer(const BackupOptions& options) {
  return ZlayerBackup(options).run();
}

namespace {

Result<bool> looks_like_zlayer(const std::string& location) {
  TRY_ASSIGN(const auto storage, open_storage(location));
  for (const std::string_view other : {native::kRepositoryFile, grafeo::kManifestFile}) {
    const auto found = storage->stat(other);
    if (found) return false;
    if (found.error().code != Code::kNotFound) return tl::unexpected(found.error());
  }
  TRY_ASSIGN(const ZlayerListing listing, list_zlayer(*storage, ZlayerPlace()));
  return !listing.empty();
}

}  // namespace

Result<bool> is_zlayer_place(const BackupOptions& options) {
  auto looked = looks_like_zlayer(options.location);
  if (looked || !is_failure_of_storage(looked.error())) return looked;
  // Out of reach: what it was when this machine was last there.
  TRY_ASSIGN(const std::string source, resolve(options.database_path));
  TRY_ASSIGN(const auto outbox, ZlayerOutbox::open(options.cache_directory, options.location,
                                                   source, ZlayerOutbox::Lock::kNone));
  if (outbox.kept()) return true;
  return looked;
}

}  // namespace epochfs::engine
