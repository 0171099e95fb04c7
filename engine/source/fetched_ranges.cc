#include "engine/source/fetched_ranges.h"

#include <algorithm>
#include <tuple>

namespace epochfs::engine {
namespace {

std::uint64_t end_of(const ByteRange& range) { return range.begin + range.size; }

}  // namespace

FetchedRanges::Hold::Hold(FetchedRanges& ranges, std::uint64_t object, ByteRange range)
    : ranges_(&ranges), object_(object), range_(range) {}

FetchedRanges::Hold::Hold(Hold&& other) noexcept
    : ranges_(std::exchange(other.ranges_, nullptr)),
      object_(other.object_),
      range_(other.range_),
      promise_(std::move(other.promise_)),
      landed_(other.landed_) {}

FetchedRanges::Hold::~Hold() {
  if (ranges_ == nullptr) return;
  if (!landed_) promise_.set_value(nullptr);
  const std::lock_guard lock(ranges_->mutex_);
  ranges_->flights_.erase({object_, range_.begin});
}

void FetchedRanges::Hold::land(Result<Buffer> bytes) {
  landed_ = true;
  promise_.set_value(std::make_shared<const Result<Buffer>>(std::move(bytes)));
}

std::vector<FetchedRanges::Hold> FetchedRanges::plan(std::vector<Unit> units) {
  std::ranges::sort(units, {},
                    [](const Unit& unit) { return std::tuple(unit.object, unit.range.begin); });
  const std::lock_guard lock(mutex_);
  std::vector<Unit> runs;
  for (const Unit& unit : units) {
    if (covering(unit) != nullptr) continue;
    const bool joins = !runs.empty() && runs.back().object == unit.object &&
                       unit.range.begin <= end_of(runs.back().range) + kGapBytesMax &&
                       end_of(unit.range) - runs.back().range.begin <= kRunBytesMax;
    if (joins)
      runs.back().range.size =
          std::max(end_of(runs.back().range), end_of(unit.range)) - runs.back().range.begin;
    else
      runs.push_back(unit);
  }
  std::vector<Hold> holds;
  holds.reserve(runs.size());
  for (const Unit& run : runs) {
    // Two runs may begin with the same unit only if one of them covers it.
    Hold hold(*this, run.object, run.range);
    const bool is_new = flights_
                            .try_emplace({run.object, run.range.begin},
                                         Flight{run.range, hold.promise_.get_future().share()})
                            .second;
    if (is_new)
      holds.push_back(std::move(hold));
    else
      hold.ranges_ = nullptr;  // a shorter one that begins here is under way; its entry stays
  }
  return holds;
}

const FetchedRanges::Flight* FetchedRanges::covering(const Unit& unit) const {
  auto behind = flights_.upper_bound({unit.object, unit.range.begin});
  if (behind == flights_.begin()) return nullptr;
  const auto& [place, flight] = *--behind;
  const bool covers = place.first == unit.object && end_of(unit.range) <= end_of(flight.range);
  return covers ? &flight : nullptr;
}

std::optional<Result<Piece>> FetchedRanges::find(const Unit& unit) {
  std::shared_future<Outcome> future;
  ByteRange range;
  {
    const std::lock_guard lock(mutex_);
    const Flight* const flight = covering(unit);
    if (flight == nullptr) return std::nullopt;
    future = flight->outcome;
    range = flight->range;
  }
  const Outcome outcome = future.get();
  if (outcome == nullptr) return std::nullopt;
  if (!*outcome) {
    if (outcome->error().code != Code::kUnreachable) return std::nullopt;
    return Result<Piece>(tl::unexpected(outcome->error()));
  }
  return Result<Piece>(
      {outcome, (*outcome)->bytes().subspan(unit.range.begin - range.begin, unit.range.size)});
}

}  // namespace epochfs::engine
