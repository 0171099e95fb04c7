#include "engine/repo/zlayer_database.h"

#include <fmt/format.h>

#include "engine/repo/summary.h"
#include "engine/source/history.h"
#include "engine/view/zlayer_view.h"

namespace epochfs::engine {
namespace {

// Objects that are archived take hours to come back, and each costs requests.
constexpr auto kRefusedAgain = std::chrono::minutes(1);

}  // namespace

ZlayerDatabase::ZlayerDatabase(ZlayerParts parts, ZlayerPlace place)
    : parts_(std::move(parts)),
      file_name_(place.database + ".db"),
      source_(std::make_shared<const ZlayerSource>(parts_.index, parts_.objects, std::move(place))),
      taken_(look_interval(*parts_.storage),
             [this](const std::shared_ptr<const Taken>& before) { return look(before); }) {}

Result<std::shared_ptr<ZlayerDatabase>> ZlayerDatabase::open(const ZlayerParts& parts,
                                                             ZlayerPlace place) {
  std::shared_ptr<ZlayerDatabase> database(new ZlayerDatabase(parts, std::move(place)));
  TRY(database->taken_.first());
  return database;
}

Result<std::shared_ptr<const ZlayerDatabase::Taken>> ZlayerDatabase::look(
    const std::shared_ptr<const Taken>& before) const {
  const ZlayerPlace& place = source_->place();
  const auto now = std::chrono::steady_clock::now();
  const bool again = !asked_again_ || now - *asked_again_ >= kRefusedAgain;
  if (again) asked_again_ = now;
  auto taken = std::make_shared<Taken>();
  TRY_ASSIGN(DatabaseRow row, with_newest_manifest([&]() -> Result<DatabaseRow> {
               TRY_ASSIGN(const ZlayerListing listing, list_zlayer(*parts_.storage, place));
               taken->snapshots = listing.snapshots.size();
               taken->copies = listing.copies.size();
               return take_in_zlayer(*parts_.index, *parts_.storage, place, listing, again);
             }));
  if (before && before->timeline->row() == row) return before;
  taken->timeline =
      std::make_shared<const IndexedTimeline>(parts_.index, std::move(row), std::nullopt);
  return taken;
}

Result<std::shared_ptr<const Timeline>> ZlayerDatabase::timeline() {
  return taken_.current()->timeline;
}

Result<std::shared_ptr<const View>> ZlayerDatabase::view(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(const ZlayerContext at, source_->context(taken->timeline->row().number, epoch));
  return open_zlayer_view(source_, file_name_, *taken->timeline, at);
}

Result<std::shared_ptr<const EpochImage>> ZlayerDatabase::image(Epoch epoch) {
  const auto taken = taken_.current();
  TRY_ASSIGN(ZlayerContext at, source_->context(taken->timeline->row().number, epoch));
  return open_zlayer_image(source_, std::move(at));
}

Result<DatabaseSummary> ZlayerDatabase::summary() {
  const auto taken = taken_.current();
  TRY_ASSIGN(DatabaseSummary summary, summary_of(*taken->timeline));
  summary.name = name();
  summary.engine = engine();
  summary.file_name = file_name_;
  summary.fulls = taken->snapshots;
  summary.incrementals = taken->copies;
  summary.notes = taken->timeline->row().notes;
  return summary;
}

}  // namespace epochfs::engine
