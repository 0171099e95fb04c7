#include "engine/repo/native_tip.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "engine/segment/segment_reader.h"
#include "engine/source/history.h"
#include "engine/source/native_indexer.h"

namespace epochfs::engine {
namespace {

using Entries = std::span<const native::SegmentEntry>;

// Of the chain that goes on: the newest full and what follows it. Empty: there is no full.
Entries chain_of(Entries segments) {
  const auto full = std::ranges::find(segments.rbegin(), segments.rend(),
                                      native::SegmentKind::kFull, &native::SegmentEntry::kind);
  if (full == segments.rend()) return {};
  return segments.last(static_cast<std::size_t>(full - segments.rbegin()) + 1);
}

// As far as names and sizes tell.
Result<bool> is_there(const Storage& storage, const std::string& database, Entries chain) {
  TRY_ASSIGN(const Listing listing, storage.list(database));
  return std::ranges::all_of(chain, [&](const native::SegmentEntry& entry) {
    const auto at =
        std::ranges::lower_bound(listing.objects, entry.filename, {}, &ObjectInfo::name);
    return at != listing.objects.end() && at->name == entry.filename &&
           at->size_bytes == entry.size_bytes;
  });
}

// What the segment itself says of its last epoch.
Result<native::EpochFacts> last_epoch_in(const Storage& storage, const std::string& database,
                                         const native::SegmentEntry& segment) {
  TRY_ASSIGN(auto blob, storage.open(fmt::format("{}/{}", database, segment.filename)));
  TRY_ASSIGN(const SegmentReader reader,
             SegmentReader::open(std::move(blob), &segment.tables_sha256));
  native::EpochFacts last;
  TRY(reader.visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
    last = facts;
    return {};
  }));
  return last;
}

bool is_same(const native::EpochFacts& one, const native::EpochFacts& other) {
  return one.epoch == other.epoch && one.state == other.state &&
         one.size_bytes == other.size_bytes && one.committed == other.committed;
}

Result<UtcTime> newest_commit(const PageIndex& index, const DatabaseRow& row, Entries segments) {
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  constexpr std::uint64_t kMillisMax =
      std::numeric_limits<std::int64_t>::max() / kNanosPerMilli - 1;
  UtcTime newest = NativeEnd().not_before;
  for (const native::SegmentEntry& entry : segments) {
    const auto behind = static_cast<std::int64_t>(std::min(entry.created_at_ms, kMillisMax)) + 1;
    newest = std::max(newest, UtcTime(behind * kNanosPerMilli));
  }
  if (row.epoch_count == 0) return newest;
  TRY_ASSIGN(const PageIndex::Reader reader, index.read());
  TRY_ASSIGN(const auto epoch, reader.epoch(row.number, row.newest));
  return epoch ? std::max(newest, epoch->facts.committed) : newest;
}

}  // namespace

Result<NativeEnd> find_native_end(const NativeParts& parts, const NativeWriter& writer,
                                  const std::string& database, bool look_again) {
  const Entries segments(writer.manifest().segments);
  if (segments.empty()) return NativeEnd();
  TRY_ASSIGN(const DatabaseRow row,
             bring_up_to_date(*parts.index, *parts.storage, writer.manifest(),
                              writer.manifest_version(), look_again));
  NativeEnd end;
  TRY_ASSIGN(end.not_before, newest_commit(*parts.index, row, segments));
  const native::SegmentEntry& last = segments.back();
  if (!row.chain_open || row.chain_end != last.end_epoch || row.newest != last.end_epoch)
    return end;
  const Entries chain = chain_of(segments);
  TRY_ASSIGN(const bool is_complete, is_there(*parts.storage, database, chain));
  if (!is_complete) return end;
  NativeTip tip;
  tip.source = std::make_shared<NativeSource>(parts.storage, parts.index, parts.cache,
                                              parts.open_segments, database);
  TRY_ASSIGN(tip.at, tip.source->context(row.number, row.newest));
  if (tip.at.base_row.filename != chain.front().filename) return end;
  auto stored = last_epoch_in(*parts.storage, database, last);
  if (!stored && is_bad_medium(stored.error()))
    stored = last_epoch_in(*parts.storage, database, last);
  if (!stored && (is_damage(stored.error()) || is_bad_medium(stored.error()))) return end;
  if (!stored) return tl::unexpected(std::move(stored).error());
  if (!is_same(*stored, tip.at.facts))
    return Error::io("the index says another thing of the newest epoch than its segment");
  end.tip = std::move(tip);
  return end;
}

}  // namespace epochfs::engine
