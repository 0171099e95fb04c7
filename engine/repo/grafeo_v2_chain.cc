// GrafeoChain of 0.6: places are log positions, and the database has an identity.

#include <algorithm>
#include <utility>

#include "engine/capture/grafeo_v2_log.h"
#include "engine/core/time.h"
#include "engine/repo/grafeo_chain.h"
#include "engine/repo/grafeo_tip.h"
#include "engine/source/history.h"

namespace epochfs::engine {
namespace {

Failure other_history(const std::string& what) {
  return Error::invalid("the directory holds " + what + ": choose another directory");
}

class GrafeoV2Chain final : public GrafeoChain {
 public:
  GrafeoV2Chain(grafeo::ImageHeader image, GrafeoV2Log log)
      : image_(std::move(image)), log_(std::move(log)) {}

  Result<Tip> find_tip(const GrafeoWriter& writer) override {
    const auto tip = load_grafeo_tip(writer);
    if (!tip && !is_damage(tip.error())) return tl::unexpected(tip.error());
    if (!tip) return Tip{std::nullopt, tip.error().text};
    if (tip->database_id != *image_.database_id)
      return other_history("backups of another database");
    const bool is_behind = tip->lsn > std::max(log_.end(), *image_.checkpoint_lsn);
    if (is_behind)
      return other_history("newer epochs than the database, which must have been replaced");
    if (!log_.reaches(tip->lsn))
      return Tip{std::nullopt, "the log no longer reaches back to the last backup"};
    TRY(check_last_bytes(*tip));
    return Tip{GrafeoPosition{tip->epoch, tip->lsn.get()}, ""};
  }

  [[nodiscard]] GrafeoPosition behind_image() const override {
    return {image_.epoch, image_.checkpoint_lsn->get()};
  }

  Result<GrafeoIncrement> increment_after(const GrafeoPosition& position) override {
    const grafeo::Lsn start(position.at);
    if (!log_.reaches(start))
      return Error::corrupt(
          "the log does not begin where the image ends; check the database with "
          "Grafeo");
    TRY_ASSIGN(span_, log_.span_from(start));
    if (!span_.epochs.empty() && span_.epochs.front() < position.epoch)
      return other_history("another history of this database");
    GrafeoIncrement increment;
    // A schema or an index takes the epoch before it.
    const auto first_new = std::ranges::upper_bound(span_.epochs, position.epoch);
    increment.epochs.assign(first_new, span_.epochs.end());
    increment.has_records = span_.groups_with_records > 0;
    increment.end.epoch = increment.epochs.empty() ? position.epoch : increment.epochs.back();
    increment.end.at = increment.has_records ? span_.end.get() : position.at;
    increment.header = {grafeo::Generation::kV2, Epoch(position.epoch.get() + 1),
                        increment.end.epoch, span_.groups_with_records};
    return increment;
  }

  Result<void> write(const GrafeoIncrement&, const Sink& sink) override {
    for (const GrafeoV2Span::Piece& piece : span_.pieces) {
      ByteWriter length;
      length.put_le<std::uint64_t>(grafeo::kV2SegmentHeaderSize + piece.size_bytes);
      TRY(sink(length.view()));
      TRY(GrafeoV2Log::read(piece, sink));
    }
    return {};
  }

  [[nodiscard]] std::optional<grafeo::BackupCursor> cursor(
      const GrafeoPosition& position) const override {
    return grafeo::BackupCursor{grafeo::Generation::kV2, position.epoch, 0,
                                grafeo::Lsn(position.at), grafeo::to_unix_millis(utc_now())};
  }

 private:
  // A database that was restored and went on has the same identity, and may have the same
  // positions: what was backed up last must be what the log has there.
  [[nodiscard]] Result<void> check_last_bytes(const GrafeoTip& tip) const {
    TRY_ASSIGN(const Bytes live, log_.bytes_before(tip.lsn, tip.last_bytes.size()));
    const ByteView backed_up = ByteView(tip.last_bytes).last(live.size());
    if (!std::ranges::equal(live, backed_up))
      return other_history("another history of this database");
    return {};
  }

  grafeo::ImageHeader image_;
  GrafeoV2Log log_;
  GrafeoV2Span span_;
};

}  // namespace

Result<std::unique_ptr<GrafeoChain>> open_v2_chain(const GrafeoImage& image, GrafeoLogFiles log) {
  const grafeo::ImageHeader& header = image.header();
  TRY_ASSIGN(GrafeoV2Log opened,
             GrafeoV2Log::open(std::move(log), *header.database_id, *header.checkpoint_lsn));
  return std::make_unique<GrafeoV2Chain>(header, std::move(opened));
}

}  // namespace epochfs::engine
