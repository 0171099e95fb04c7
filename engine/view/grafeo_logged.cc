#include "engine/view/grafeo_logged.h"

#include <fmt/format.h>

#include <optional>

#include "engine/source/object_pass.h"

namespace epochfs::engine {
namespace {

// A segment's object, of which parts are handed out on the way from its front to its back.
class SegmentPass {
 public:
  SegmentPass(SegmentRow segment, std::shared_ptr<const Blob> blob)
      : segment_(std::move(segment)), pass_(std::move(blob)) {}

  // `range` lies behind those before.
  Result<void> feed(ByteRange range, const LoggedEpoch::Sink& sink) {
    const std::uint64_t end = range.begin + range.size;
    while (pass_.position() < range.begin) TRY(pass_.next(range.begin - pass_.position()));
    while (pass_.position() < end) {
      TRY_ASSIGN(const ByteView bytes, pass_.next(end - pass_.position()));
      TRY(sink(bytes));
    }
    return {};
  }

  Result<void> finish() {
    TRY_ASSIGN(const std::uint32_t crc, pass_.finish());
    if (crc == segment_.crc32) return {};
    return Error::corrupt(fmt::format("{}: its CRC is {:08x}, the manifest says {:08x}",
                                      segment_.filename, crc, segment_.crc32));
  }

 private:
  SegmentRow segment_;
  ObjectPass pass_;
};

class GrafeoLogged final : public LoggedEpoch {
 public:
  GrafeoLogged(std::shared_ptr<const GrafeoSource> source, GrafeoEpoch at)
      : source_(std::move(source)), at_(std::move(at)) {}

  [[nodiscard]] const native::EpochFacts& facts() const noexcept override { return at_.row.facts; }
  [[nodiscard]] std::uint64_t image_bytes() const noexcept override { return at_.base.image_bytes; }
  [[nodiscard]] std::uint64_t log_bytes() const noexcept override { return at_.log_file_bytes(); }
  [[nodiscard]] std::string log_name() const override { return at_.log_name(); }
  [[nodiscard]] std::string_view log_directory_suffix() const noexcept override {
    return kGrafeoLogSuffix;
  }

  Result<void> read(const Sink& image, const Sink& log) const override {
    TRY_ASSIGN(auto blob, source_->open(at_.base));
    SegmentPass pass(at_.base, std::move(blob));
    TRY(pass.feed({0, at_.base.image_bytes}, image));
    TRY(pass.finish());
    TRY(read_log(log));
    return log(at_.log_end());
  }

 private:
  Result<void> read_log(const Sink& log) const {
    std::optional<SegmentPass> pass;
    SegmentNo open_segment;
    const auto feed = [&](const LogExtent& extent, const SegmentRow& segment) -> Result<void> {
      if (!pass || open_segment != extent.segment) {
        if (pass) TRY(pass->finish());
        TRY_ASSIGN(auto blob, source_->open(segment));
        pass.emplace(segment, std::move(blob));
        open_segment = extent.segment;
      }
      return pass->feed(extent.range, log);
    };
    TRY(source_->visit_log(at_, feed));
    return pass ? pass->finish() : Result<void>();
  }

  std::shared_ptr<const GrafeoSource> source_;
  GrafeoEpoch at_;
};

}  // namespace

std::shared_ptr<const LoggedEpoch> open_grafeo_logged(std::shared_ptr<const GrafeoSource> source,
                                                      GrafeoEpoch at) {
  return std::make_shared<const GrafeoLogged>(std::move(source), std::move(at));
}

}  // namespace epochfs::engine
