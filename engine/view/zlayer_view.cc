#include "engine/view/zlayer_view.h"

#include "engine/view/paged_view.h"

namespace epochfs::engine {
namespace {

// Its objects lie decompressed in a file of ours, for which the kernel reads ahead.
class ZlayerFile final : public File {
 public:
  ZlayerFile(std::shared_ptr<const ZlayerSource> source, ZlayerContext at)
      : source_(std::move(source)), at_(std::move(at)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return at_.facts.size_bytes; }
  Result<Pieces> read(ByteRange range) const override { return source_->read(at_, range); }
  void prefetch(ByteRange) const override {}

 private:
  std::shared_ptr<const ZlayerSource> source_;
  ZlayerContext at_;
};

class ZlayerImage final : public EpochImage {
 public:
  ZlayerImage(std::shared_ptr<const ZlayerSource> source, ZlayerContext at)
      : source_(std::move(source)), at_(std::move(at)) {}

  [[nodiscard]] const native::EpochFacts& facts() const noexcept override { return at_.facts; }
  [[nodiscard]] PageSize page_size() const noexcept override { return at_.page_size(); }
  [[nodiscard]] std::uint32_t stride_pages() const noexcept override { return 1; }
  Result<void> read_pages(PageNo first, MutableByteView out,
                          std::vector<std::uint64_t>& hashes) const override {
    return source_->read_pages(at_, first, out, hashes);
  }
  Result<std::vector<std::uint64_t>> page_hashes(PageRange pages) const override {
    return source_->page_hashes(at_, pages);
  }

 private:
  std::shared_ptr<const ZlayerSource> source_;
  ZlayerContext at_;
};

}  // namespace

Result<std::shared_ptr<const View>> open_zlayer_view(std::shared_ptr<const ZlayerSource> source,
                                                     const std::string& file_name,
                                                     const Timeline& timeline,
                                                     const ZlayerContext& at) {
  PagedEpoch epoch;
  epoch.database = source->place().database;
  epoch.file_name = file_name;
  epoch.facts = at.facts;
  epoch.page_size = at.page_size();
  epoch.segment = at.segment();
  epoch.base = at.base.filename;
  epoch.file = std::make_shared<const ZlayerFile>(std::move(source), at);
  return open_paged_view(std::move(epoch), timeline);
}

std::shared_ptr<const EpochImage> open_zlayer_image(std::shared_ptr<const ZlayerSource> source,
                                                    ZlayerContext at) {
  return std::make_shared<const ZlayerImage>(std::move(source), std::move(at));
}

}  // namespace epochfs::engine
