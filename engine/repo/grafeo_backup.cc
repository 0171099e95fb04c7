#include "engine/repo/grafeo_backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "engine/capture/source_path.h"
#include "engine/repo/backup_target.h"
#include "engine/repo/grafeo_chain.h"
#include "engine/repo/grafeo_directory_writer.h"
#include "engine/repo/packed_grafeo_writer.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

// For how long, and how often, a database is tried again that its own users are changing.
constexpr auto kGrafeoPatience = std::chrono::seconds(3);
constexpr auto kGrafeoPause = std::chrono::milliseconds(5);

std::string_view format_name(grafeo::Generation generation) {
  return generation == grafeo::Generation::kV1 ? "grafeo-v1" : "grafeo-v2";
}

// What Grafeo leaves beside an image while it replaces it.
Result<void> check_nothing_is_pending(const std::string& path) {
  for (const std::string_view suffix : {".checkpoint", ".migrating"}) {
    const std::string sibling = fmt::format("{}{}", path, suffix);
    if (exists(sibling))
      return Error::busy(sibling +
                         ": Grafeo has not finished with the database; open and close it once");
  }
  return {};
}

template <typename Attempt>
Result<void> while_busy(const Attempt& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + kGrafeoPatience;
  while (true) {
    auto done = attempt();
    if (done || done.error().code != Code::kBusy) return done;
    if (std::chrono::steady_clock::now() >= deadline) return done;
    std::this_thread::sleep_for(kGrafeoPause);
  }
}

class GrafeoBackup {
 public:
  explicit GrafeoBackup(BackupOptions options) : options_(std::move(options)) {}

  Result<BackupReport> run() {
    const auto begin = std::chrono::steady_clock::now();
    if (options_.format && (!options_.name.empty() || options_.engine))
      return Error::invalid(
          "a directory in Grafeo's format holds one database of Grafeo: "
          "neither --name nor --engine goes with it");
    TRY_ASSIGN(path_, resolve(options_.database_path));
    report_.engine = native::Engine::kGrafeo;
    TRY(while_busy([&] { return find_generation(); }));
    TRY(options_.format ? open_directory() : open_repository());
    TRY(check_generation_goes_on());
    TRY(while_busy([&]() -> Result<void> {
      TRY(open_database());
      return back_up();
    }));
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  [[nodiscard]] std::string log_directory() const { return path_ + ".wal"; }

  // A database that cannot be read must leave no trace where the backup goes.
  Result<void> find_generation() {
    TRY_ASSIGN(const GrafeoImage image, GrafeoImage::open(path_));
    generation_ = image.header().generation();
    if (options_.format && generation_ != *options_.format)
      return Error::invalid(
          fmt::format("{} is a database of format {}: use --format {}, or let Grafeo convert it",
                      path_, format_name(generation_), format_name(generation_)));
    return {};
  }

  [[nodiscard]] GrafeoWriter::Lock lock() const {
    if (options_.dry_run) return GrafeoWriter::Lock::kNone;
    return options_.wait ? GrafeoWriter::Lock::kWaitFor : GrafeoWriter::Lock::kTake;
  }

  Result<void> open_directory() {
    report_.database = std::filesystem::path(path_).stem().string();
    TRY_ASSIGN(writer_, GrafeoDirectoryWriter::open(options_.location, lock()));
    return {};
  }

  Result<void> open_repository() {
    TRY_ASSIGN(report_.database, database_name(options_.name, options_.database_path));
    const std::string file_name = last_component(options_.database_path);
    TRY(check_file_name(file_name));
    TRY_ASSIGN(const auto repository,
               open_target(options_.location, options_.cache_directory, !options_.dry_run));
    if (!repository) return {};
    TRY_ASSIGN(writer_, PackedGrafeoWriter::open(repository->parts(),
                                                 {report_.database, file_name, lock(), false}));
    return {};
  }

  Result<void> check_generation_goes_on() const {
    if (!writer_) return {};
    const grafeo::Manifest& manifest = writer_->manifest();
    if (generation_ == grafeo::Generation::kV1 && !manifest.segments.empty() &&
        manifest.generation == grafeo::Generation::kV2)
      return Error::invalid(fmt::format(
          "{}: Grafeo 0.6 has written there, and 0.5 could not read it any more; choose another {}",
          writer_->location(), options_.format ? "directory" : "--name"));
    return {};
  }

  Result<void> open_database() {
    chain_.reset();
    TRY(check_nothing_is_pending(path_));
    TRY_ASSIGN(GrafeoImage image, GrafeoImage::open(path_));
    image_.emplace(std::move(image));
    // 0.5 writes its image in place, and names nothing that would show it.
    if (generation_ == grafeo::Generation::kV1) TRY(image_->lock_out_writers());
    TRY_ASSIGN(chain_, GrafeoChain::open(*image_, log_directory()));
    return image_->confirm();
  }

  Result<void> back_up() {
    GrafeoCursorFile cursor_file(log_directory(), path_);
    if (!options_.dry_run && chain_->cursor({})) TRY(cursor_file.check_writable());
    TRY_ASSIGN(const GrafeoChain::Tip tip, find_tip());
    const bool full = wants_full(tip);
    if (full) TRY(check_full_may_follow());
    const GrafeoPosition begin = full ? chain_->behind_image() : *tip.position;
    // Everything is read once before anything is stored.
    TRY_ASSIGN(const GrafeoIncrement increment, chain_->increment_after(begin));
    if (full) TRY(take_full());
    if (increment.has_records) TRY(take_increment(increment));
    const GrafeoPosition& end = increment.end;
    report_.newest = end.epoch;
    const auto cursor = chain_->cursor(end);
    return options_.dry_run || !cursor ? Result<void>() : cursor_file.save(*cursor);
  }

  Result<GrafeoChain::Tip> find_tip() {
    if (!writer_ || writer_->chain().empty())
      return GrafeoChain::Tip{std::nullopt, options_.format ? "first backup into this directory"
                                                            : "first backup of this database"};
    const auto sound = writer_->check_chain();
    if (!sound && !is_damage(sound.error())) return tl::unexpected(sound.error());
    if (!sound) return GrafeoChain::Tip{std::nullopt, sound.error().text};
    return chain_->find_tip(*writer_);
  }

  // An older full than the newest epoch would come between that epoch and what it is built on.
  bool wants_full(const GrafeoChain::Tip& tip) {
    report_.reason = tip.obstacle;
    if (!tip.position) return true;
    if (!options_.full) return false;
    const Epoch image = image_->header().epoch;
    if (image > *writer_->last_epoch()) return true;
    report_.reason = fmt::format(
        "no new full: the image is of epoch {}, which is backed up, until the next checkpoint",
        image.get());
    return false;
  }

  Result<void> check_full_may_follow() {
    const Epoch epoch = image_->header().epoch;
    const auto last = last_epoch();
    if (!last || epoch >= *last) return {};
    return Error::invalid(fmt::format(
        "a new full is needed ({}), but {} has epoch {} already and the image is of epoch {}: "
        "let Grafeo checkpoint the database, or choose another {}",
        report_.reason, options_.location, last->get(), epoch.get(),
        options_.format ? "directory" : "--name"));
  }

  Result<void> take_full() {
    const Epoch epoch = image_->header().epoch;
    const auto last = last_epoch();
    if (!options_.dry_run) TRY(store_full(epoch));
    report_.wrote_full = true;
    if (!last || epoch > *last) add_epochs({epoch});
    return {};
  }

  Result<void> store_full(Epoch epoch) {
    grafeo::SegmentEntry entry;
    entry.end_epoch = epoch;
    TRY(writer_->begin(std::move(entry)));
    TRY(image_->read([&](ByteView bytes) { return append(bytes, image_->size_bytes()); }));
    return commit();
  }

  Result<void> take_increment(const GrafeoIncrement& increment) {
    if (!options_.dry_run) TRY(store_increment(increment));
    report_.wrote_incremental = true;
    add_epochs(increment.epochs);
    return {};
  }

  Result<void> store_increment(const GrafeoIncrement& increment) {
    grafeo::SegmentEntry entry;
    entry.kind = grafeo::SegmentKind::kIncremental;
    entry.start_epoch = increment.header.start_epoch;
    entry.end_epoch = increment.header.end_epoch;
    TRY(writer_->begin(std::move(entry)));
    TRY(writer_->append(grafeo::encode_gbak_header(increment.header)));
    TRY(chain_->write(increment, [&](ByteView bytes) { return append(bytes, 0); }));
    return commit();
  }

  Result<void> append(ByteView bytes, std::uint64_t total) {
    report_.bytes_read += bytes.size();
    if (options_.progress) options_.progress(report_.bytes_read, total);
    return writer_->append(bytes);
  }

  Result<void> commit() {
    TRY_ASSIGN(const std::uint64_t size, writer_->commit(generation_));
    report_.bytes_stored += size;
    return {};
  }

  [[nodiscard]] std::optional<Epoch> last_epoch() const {
    return writer_ ? writer_->last_epoch() : std::nullopt;
  }

  void add_epochs(const std::vector<Epoch>& epochs) {
    if (epochs.empty()) return;
    if (!report_.first_new) report_.first_new = epochs.front();
    report_.epochs_added += epochs.size();
  }

  BackupOptions options_;
  BackupReport report_;
  std::string path_;
  grafeo::Generation generation_ = grafeo::Generation::kV2;  // of the database
  std::unique_ptr<GrafeoWriter> writer_;  // none for a dry run where nothing is yet
  std::optional<GrafeoImage> image_;
  std::unique_ptr<GrafeoChain> chain_;  // may refer to the image
};

}  // namespace

Result<BackupReport> backup_grafeo(const BackupOptions& options) {
  return GrafeoBackup(options).run();
}

}  // namespace epochfs::engine
