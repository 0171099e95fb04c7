#include "engine/source/grafeo_incremental.h"

#include <fmt/format.h>

#include <optional>

#include "engine/formats/grafeo/gbak.h"
#include "engine/formats/grafeo/v1_scanner.h"
#include "engine/formats/grafeo/v2_scanner.h"
#include "engine/formats/grafeo/v2_segment.h"
#include "engine/source/grafeo_epochs.h"
#include "engine/source/history.h"
#include "engine/source/object_pass.h"

namespace epochfs::engine {
namespace {

using grafeo::Generation;
using grafeo::Lsn;

// A file, being read, and what it adds to the log of its chain.
class IncrementalIntake {
 public:
  IncrementalIntake(PageIndex::Writer& writer, DatabaseRow& row, SegmentNo segment,
                    const grafeo::SegmentEntry& entry, GrafeoEpochs epochs,
                    std::shared_ptr<const Blob> blob)
      : writer_(writer),
        row_(row),
        segment_(segment),
        entry_(entry),
        epochs_(std::move(epochs)),
        file_bytes_(blob->size_bytes()),
        pass_(std::move(blob)) {}

  Result<void> run() {
    const auto taken = take();
    // A file that is not what was stored explains everything else that is wrong with it.
    TRY_ASSIGN(const std::uint32_t crc, pass_.finish());
    if (crc != entry_.crc32)
      return Error::corrupt(
          fmt::format("its CRC is {:08x}, the manifest says {:08x}", crc, entry_.crc32));
    TRY(taken);
    row_.chain_end = entry_.end_epoch;
    if (damage_) end_chain();
    return {};
  }

 private:
  Result<void> take() {
    TRY_ASSIGN(const auto raw, pass_.take<grafeo::kGbakHeaderSize>());
    TRY_ASSIGN(const grafeo::GbakHeader header, grafeo::parse_gbak_header(raw));
    if (header.start_epoch != entry_.start_epoch || header.end_epoch != entry_.end_epoch)
      return Error::corrupt(fmt::format("says epochs {} to {}, the manifest says {} to {}",
                                        header.start_epoch.get(), header.end_epoch.get(),
                                        entry_.start_epoch.get(), entry_.end_epoch.get()));
    if (header.generation != row_.log.generation)
      return Error::corrupt(fmt::format("is of format {}, the full below it of format {}",
                                        static_cast<unsigned>(header.generation),
                                        static_cast<unsigned>(row_.log.generation)));
    return header.generation == Generation::kV1 ? take_v1() : take_v2();
  }

  // --- v1: frames up to the end of the file ---

  Result<void> take_v1() {
    if (entry_.start_epoch.get() != row_.chain_end.get() + 1)
      return Error::corrupt(fmt::format("begins at epoch {}, but the backups before it end at {}",
                                        entry_.start_epoch.get(), row_.chain_end.get()));
    grafeo::V1Scanner scanner;
    std::vector<grafeo::V1EpochAdvance> found;
    while (pass_.left() > 0) {
      TRY_ASSIGN(const ByteView piece, pass_.next(ObjectPass::kPieceBytes));
      scanner.push(piece, found);
      for (const grafeo::V1EpochAdvance& advance : found) TRY(take_advance(advance));
      found.clear();
    }
    const grafeo::V1LogEnd end = scanner.finish();
    if (!any_advance_ && entry_.end_epoch >= entry_.start_epoch)
      return Error::corrupt("no epoch begins in it");
    TRY(epochs_.finish());
    epochs_.count(end.tail.commits, end.tail.data_records);
    note_damage(end.damage, grafeo::kGbakHeaderSize);
    return add_extent({grafeo::kGbakHeaderSize, end.end}, Lsn());
  }

  Result<void> take_advance(const grafeo::V1EpochAdvance& advance) {
    // A backup that missed the end of the log before it looks like this, and everything from here
    // on was committed on top of what is missing.
    if (!any_advance_ && advance.epoch != entry_.start_epoch)
      return Error::corrupt(
          fmt::format("begins with epoch {} instead of {}: the log between them is in no backup",
                      advance.epoch.get(), entry_.start_epoch.get()));
    any_advance_ = true;
    if (advance.epoch < epochs_.greatest()) note_step_back(advance.epoch);
    epochs_.count(advance.before.commits, advance.before.data_records);
    return epochs_.mark(advance.epoch, row_.log.bytes + advance.end, to_utc(entry_.created));
  }

  void note_step_back(Epoch epoch) {
    if (stepped_back_) return;
    stepped_back_ = true;
    add_problem(row_, {entry_.filename,
                       fmt::format("its log goes back from epoch {} to {}: numbers that were used "
                                   "before are not shown again",
                                   epochs_.greatest().get(), epoch.get()),
                       {},
                       {}});
  }

  // --- v2: segments of the log, each behind its length ---

  Result<void> take_v2() {
    while (pass_.left() > 0 && !damage_) {
      const std::uint64_t at = pass_.position();
      TRY_ASSIGN(const auto length, pass_.take<grafeo::kGbakLengthSize>());
      TRY_ASSIGN(const ByteRange range, grafeo::locate_gbak_segment(length, at, file_bytes_));
      TRY(with_context(take_log_segment(range),
                       [&] { return fmt::format("segment at byte {}", range.begin); }));
    }
    // Behind damage there may be more of the last epoch.
    return damage_ ? Result<void>() : epochs_.finish();
  }

  Result<void> take_log_segment(ByteRange range) {
    TRY_ASSIGN(const auto raw, pass_.take<grafeo::kV2SegmentHeaderSize>());
    TRY_ASSIGN(const grafeo::V2SegmentHeader header, grafeo::parse_v2_segment_header(raw));
    if (header.database_id != row_.log.database_id)
      return Error::corrupt("belongs to another database than the full below it");
    TRY_ASSIGN(const Lsn end, grafeo::v2_segment_end(header.first_lsn, range.size));
    const bool is_first = row_.log.bytes == 0;
    if (is_first && end <= row_.log.image_lsn) return skip(range);  // the image has all of it
    if (is_first ? header.first_lsn > row_.log.image_lsn : header.first_lsn != row_.log.next_lsn)
      return Error::corrupt(fmt::format("begins at {} of the log, but what is before it ends at {}",
                                        header.first_lsn.get(), row_.log.next_lsn.get()));
    // The log of a chain has one header, that of its first piece.
    const std::uint64_t header_bytes = is_first ? grafeo::kV2SegmentHeaderSize : 0;
    log_begin_ = row_.log.bytes + header_bytes;
    first_lsn_ = header.first_lsn;
    if (is_first)
      row_.log.epoch_bytes = log_begin_ + row_.log.image_lsn.get() - header.first_lsn.get();
    TRY_ASSIGN(const Lsn sound_end, scan_groups(range));
    const std::uint64_t frames = sound_end.get() - header.first_lsn.get();
    const std::uint64_t begin = range.begin + grafeo::kV2SegmentHeaderSize - header_bytes;
    row_.log.next_lsn = sound_end;
    return add_extent({begin, header_bytes + frames}, header.first_lsn);
  }

  Result<void> skip(ByteRange range) {
    while (pass_.position() < range.begin + range.size)
      TRY(pass_.next(range.begin + range.size - pass_.position()));
    return {};
  }

  // Where the last whole group ends.
  Result<Lsn> scan_groups(ByteRange range) {
    grafeo::V2Scanner scanner(first_lsn_);
    std::vector<grafeo::V2Group> found;
    while (pass_.position() < range.begin + range.size) {
      TRY_ASSIGN(const ByteView piece, pass_.next(range.begin + range.size - pass_.position()));
      scanner.push(piece, found);
      for (const grafeo::V2Group& group : found) TRY(take_group(group));
      found.clear();
    }
    const grafeo::V2LogEnd end = scanner.finish();
    note_damage(end.damage, range.begin + grafeo::kV2SegmentHeaderSize);
    return end.end;
  }

  Result<void> take_group(const grafeo::V2Group& group) {
    const Lsn image_end = row_.log.image_lsn;
    if (group.end <= image_end) return {};  // the image has it
    if (group.begin < image_end)
      return Error::corrupt(
          fmt::format("the image ends at {} of the log, within a group", image_end.get()));
    const std::uint64_t end = log_begin_ + (group.end.get() - first_lsn_.get());
    if (!group.start) {
      epochs_.extend(end);
      return {};
    }
    epochs_.count(1, group.record_count);
    return epochs_.mark(group.start->epoch, end, to_utc(group.start->time));
  }

  // --- both ---

  Result<void> add_extent(ByteRange range, Lsn first_lsn) {
    if (range.size == 0) return {};
    TRY(writer_.put_log_extent(row_.number, row_.base,
                               LogExtent{row_.log.bytes, segment_, range, first_lsn}));
    row_.log.bytes += range.size;
    return {};
  }

  void note_damage(const std::optional<grafeo::LogDamage>& damage, std::uint64_t log_begin) {
    if (damage)
      damage_ = fmt::format("its log is damaged at byte {}: {}", log_begin + damage->offset,
                            damage->reason);
  }

  void end_chain() {
    row_.chain_open = false;
    const Epoch first = std::max(entry_.start_epoch, Epoch(row_.newest.get() + 1));
    const bool lost = first <= entry_.end_epoch;
    add_problem(row_, {entry_.filename, *damage_, lost ? first : Epoch(),
                       lost ? entry_.end_epoch : Epoch()});
  }

  PageIndex::Writer& writer_;
  DatabaseRow& row_;
  SegmentNo segment_;
  const grafeo::SegmentEntry& entry_;
  GrafeoEpochs epochs_;
  std::uint64_t file_bytes_;
  ObjectPass pass_;
  std::optional<std::string> damage_;
  bool any_advance_ = false;
  bool stepped_back_ = false;
  std::uint64_t log_begin_ = 0;  // of the frames of the segment at hand, in the log of the chain
  Lsn first_lsn_;                // of them
};

}  // namespace

Result<void> take_grafeo_incremental(PageIndex::Writer& writer, DatabaseRow& row, SegmentNo segment,
                                     const grafeo::SegmentEntry& entry,
                                     std::shared_ptr<const Blob> blob) {
  TRY_ASSIGN(GrafeoEpochs epochs, GrafeoEpochs::begin(writer, row, segment, to_utc(entry.created)));
  return IncrementalIntake(writer, row, segment, entry, std::move(epochs), std::move(blob)).run();
}

}  // namespace epochfs::engine
