// GrafeoChain of 0.5: places are bytes of the log, and nothing has an identity, so bytes are
// compared.

#include <limits>
#include <utility>

#include "engine/capture/grafeo_v1_log.h"
#include "engine/core/hash.h"
#include "engine/core/time.h"
#include "engine/repo/grafeo_chain.h"

namespace epochfs::engine {
namespace {

class GrafeoV1Chain final : public GrafeoChain {
 public:
  GrafeoV1Chain(const GrafeoImage& image, GrafeoV1Log log, bool has_log)
      : image_(image), log_(std::move(log)), has_log_(has_log) {}

  Result<Tip> find_tip(const GrafeoWriter& writer) override {
    const auto chain = writer.chain();
    TRY_ASSIGN(const bool is_base, image_is(chain.front()));
    if (!is_base) return Tip{std::nullopt, "the database was checkpointed since the last full"};
    GrafeoPosition position{chain.front().end_epoch, log_.begin()};
    for (const grafeo::SegmentEntry& entry : chain.subspan(1)) {
      TRY_ASSIGN(const bool is_next, log_has(entry, position.at, writer));
      if (!is_next) return Tip{std::nullopt, "the log is not the one that was backed up"};
      position.at += entry.size_bytes - grafeo::kGbakHeaderSize;
      position.epoch = entry.end_epoch;
    }
    const auto epochs = log_.epochs_after(position.at);
    if (!epochs.empty() && epochs.front().get() != position.epoch.get() + 1)
      return Tip{std::nullopt, "the log does not go on with the epoch that is due"};
    return Tip{position, ""};
  }

  [[nodiscard]] GrafeoPosition behind_image() const override {
    return {image_.header().epoch, log_.begin()};
  }

  Result<GrafeoIncrement> increment_after(const GrafeoPosition& position) override {
    GrafeoIncrement increment;
    begin_ = position.at;
    increment.end = position;
    increment.epochs = log_.epochs_after(position.at);
    increment.has_records = !increment.epochs.empty();
    if (increment.has_records) increment.end = {increment.epochs.back(), log_.end()};
    increment.header = {grafeo::Generation::kV1, Epoch(position.epoch.get() + 1),
                        increment.end.epoch, log_.files_after(position.at)};
    return increment;
  }

  Result<void> write(const GrafeoIncrement& increment, const Sink& sink) override {
    TRY(log_.make_durable());
    return log_.read(begin_, increment.end.at, sink);
  }

  // 0.5 goes on with the file after the one that the cursor names, but it writes on in the newest
  // file. While that holds anything, no number is right: with the greatest there is Grafeo finds
  // nothing to do and asks for a full, and never leaves a hole.
  [[nodiscard]] std::optional<grafeo::BackupCursor> cursor(
      const GrafeoPosition& position) const override {
    if (!has_log_) return std::nullopt;
    return grafeo::BackupCursor{
        grafeo::Generation::kV1, position.epoch,
        log_.finished_sequence().value_or(std::numeric_limits<std::uint64_t>::max()),
        grafeo::Lsn(0), grafeo::to_unix_millis(utc_now())};
  }

 private:
  [[nodiscard]] Result<bool> image_is(const grafeo::SegmentEntry& full) const {
    if (image_.size_bytes() != full.size_bytes) return false;
    Crc32 crc;
    TRY(image_.read([&](ByteView bytes) -> Result<void> {
      crc.update(bytes);
      return {};
    }));
    return crc.value() == full.crc32;
  }

  // Whether the file of `entry` is its header and then the log from `at` on, by its checksum.
  [[nodiscard]] Result<bool> log_has(const grafeo::SegmentEntry& entry, std::uint64_t at,
                                     const GrafeoWriter& writer) const {
    if (entry.size_bytes < grafeo::kGbakHeaderSize) return false;
    const std::uint64_t size = entry.size_bytes - grafeo::kGbakHeaderSize;
    if (size > log_.end() - at) return false;
    TRY_ASSIGN(const auto blob, writer.open(entry));
    Bytes header(grafeo::kGbakHeaderSize);
    TRY(blob->read(0, header));
    Crc32 crc;
    crc.update(header);
    TRY(log_.read(at, at + size, [&](ByteView bytes) -> Result<void> {
      crc.update(bytes);
      return {};
    }));
    return crc.value() == entry.crc32;
  }

  const GrafeoImage& image_;
  GrafeoV1Log log_;
  bool has_log_;
  std::uint64_t begin_ = 0;  // of the increment asked for last
};

}  // namespace

Result<std::unique_ptr<GrafeoChain>> open_v1_chain(const GrafeoImage& image, GrafeoLogFiles log) {
  const grafeo::ImageHeader& header = image.header();
  if (header.epoch.get() == 0 && (header.node_count != 0 || header.edge_count != 0))
    return Error::unsupported(
        "the image does not say its epoch: this build of Grafeo counts none that last");
  const bool has_log = !log.files.empty();
  TRY_ASSIGN(GrafeoV1Log opened, GrafeoV1Log::open(std::move(log), header.epoch));
  return std::make_unique<GrafeoV1Chain>(image, std::move(opened), has_log);
}

}  // namespace epochfs::engine
