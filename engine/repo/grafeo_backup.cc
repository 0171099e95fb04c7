#include "engine/repo/grafeo_backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "engine/capture/source_path.h"
#include "engine/repo/grafeo_chain.h"

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
    if (!options_.name.empty() || options_.engine)
      return Error::invalid(
          "a directory in Grafeo's format holds one database of Grafeo: "
          "neither --name nor --engine goes with it");
    TRY_ASSIGN(path_, resolve(options_.database_path));
    report_.engine = native::Engine::kGrafeo;
    report_.database = std::filesystem::path(path_).stem().string();
    TRY(while_busy([&] { return check_generation(); }));
    TRY(open_writer());
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

  // A database that cannot be read must leave no trace in the directory.
  Result<void> check_generation() {
    TRY_ASSIGN(const GrafeoImage image, GrafeoImage::open(path_));
    const grafeo::Generation is = image.header().generation();
    if (is != *options_.format)
      return Error::invalid(
          fmt::format("{} is a database of format {}: use --format {}, or let Grafeo convert it",
                      path_, format_name(is), format_name(is)));
    return {};
  }

  Result<void> open_writer() {
    using Lock = GrafeoWriter::Lock;
    Lock lock = options_.wait ? Lock::kWaitFor : Lock::kTake;
    if (options_.dry_run) lock = Lock::kNone;
    TRY_ASSIGN(GrafeoWriter writer, GrafeoWriter::open(options_.location, lock));
    writer_.emplace(std::move(writer));
    const grafeo::Manifest& manifest = writer_->manifest();
    if (*options_.format == grafeo::Generation::kV1 && !manifest.segments.empty() &&
        manifest.generation == grafeo::Generation::kV2)
      return Error::invalid(options_.location +
                            ": Grafeo 0.6 has written there, and 0.5 could not read it any more; "
                            "choose another directory");
    return {};
  }

  Result<void> open_database() {
    chain_.reset();
    TRY(check_nothing_is_pending(path_));
    TRY_ASSIGN(GrafeoImage image, GrafeoImage::open(path_));
    image_.emplace(std::move(image));
    // 0.5 writes its image in place, and names nothing that would show it.
    if (*options_.format == grafeo::Generation::kV1) TRY(image_->lock_out_writers());
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
    if (writer_->chain().empty())
      return GrafeoChain::Tip{std::nullopt, "first backup into this directory"};
    const auto sound = writer_->check_chain();
    if (!sound && sound.error().code == Code::kIo) return tl::unexpected(sound.error());
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
    const auto last = writer_->last_epoch();
    if (!last || epoch >= *last) return {};
    return Error::invalid(fmt::format(
        "a new full is needed ({}), but {} has epoch {} already and the image is of epoch {}: "
        "let Grafeo checkpoint the database, or choose another directory",
        report_.reason, options_.location, last->get(), epoch.get()));
  }

  Result<void> take_full() {
    const Epoch epoch = image_->header().epoch;
    const auto last = writer_->last_epoch();
    if (!options_.dry_run) TRY(store_full(epoch));
    report_.wrote_full = true;
    if (!last || epoch > *last) add_epochs({epoch});
    return {};
  }

  Result<void> store_full(Epoch epoch) {
    TRY_ASSIGN(auto segment, writer_->begin_full(epoch));
    TRY(image_->read([&](ByteView bytes) { return append(segment, bytes, image_->size_bytes()); }));
    return commit(std::move(segment));
  }

  Result<void> take_increment(const GrafeoIncrement& increment) {
    if (!options_.dry_run) TRY(store_increment(increment));
    report_.wrote_incremental = true;
    add_epochs(increment.epochs);
    return {};
  }

  Result<void> store_increment(const GrafeoIncrement& increment) {
    TRY_ASSIGN(auto segment, writer_->begin_incremental(increment.header.start_epoch,
                                                        increment.header.end_epoch));
    TRY(segment.append(grafeo::encode_gbak_header(increment.header)));
    TRY(chain_->write(increment, [&](ByteView bytes) { return append(segment, bytes, 0); }));
    return commit(std::move(segment));
  }

  Result<void> append(GrafeoWriter::OpenSegment& segment, ByteView bytes, std::uint64_t total) {
    report_.bytes_read += bytes.size();
    if (options_.progress) options_.progress(report_.bytes_read, total);
    return segment.append(bytes);
  }

  Result<void> commit(GrafeoWriter::OpenSegment segment) {
    TRY_ASSIGN(const std::uint64_t size, writer_->commit(std::move(segment), *options_.format));
    report_.bytes_stored += size;
    return {};
  }

  void add_epochs(const std::vector<Epoch>& epochs) {
    if (epochs.empty()) return;
    if (!report_.first_new) report_.first_new = epochs.front();
    report_.epochs_added += epochs.size();
  }

  BackupOptions options_;
  BackupReport report_;
  std::string path_;
  std::optional<GrafeoWriter> writer_;
  std::optional<GrafeoImage> image_;
  std::unique_ptr<GrafeoChain> chain_;  // may refer to the image
};

}  // namespace

Result<BackupReport> backup_grafeo(const BackupOptions& options) {
  return GrafeoBackup(options).run();
}

}  // namespace epochfs::engine
