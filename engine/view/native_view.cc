#include "engine/view/native_view.h"

#include <utility>

#include "engine/view/ahead_pieces.h"
#include "engine/view/paged_view.h"

namespace epochfs::engine {
namespace {

// Size and "page P at this epoch".
class PagedFile final : public File {
 public:
  PagedFile(NativeViewParts parts, EpochContext at)
      : state_(std::make_shared<State>(std::move(parts), std::move(at))) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override {
    return state_->at.facts.size_bytes;
  }

  Result<Pieces> read(ByteRange range) const override { return state_->read(range); }

  void prefetch(ByteRange range) const override {
    for (const std::uint64_t piece : state_->pieces.announce(range))
      state_->parts.read_ahead->schedule([state = state_, piece] { state->pieces.load(piece); });
  }

  [[nodiscard]] std::uint64_t bytes_ahead() const noexcept override {
    return state_->parts.ahead.bytes_ahead;
  }

 private:
  // Shared with the read-ahead tasks, which may outlive the file.
  struct State {
    State(NativeViewParts its_parts, EpochContext its_epoch)
        : parts(std::move(its_parts)),
          at(std::move(its_epoch)),
          pieces(parts.cache, at.facts.size_bytes, parts.ahead.piece_bytes, parts.ahead.bytes_ahead,
                 [this](ByteRange range) { return load(range); }) {}

    Result<Pieces> read(ByteRange range) {
      Pieces all;
      while (range.size > 0) {
        const ByteRange part = pieces.within_piece(range);
        if (const BlockPtr piece = pieces.take(part)) {
          all.push_back(
              {piece, piece->pages.bytes().subspan(pieces.offset_in_piece(part), part.size)});
        } else {
          TRY_ASSIGN(const Pieces blocks, parts.source->read(at, part));
          all.insert(all.end(), blocks.begin(), blocks.end());
        }
        range = {part.begin + part.size, range.size - part.size};
      }
      return all;
    }

    Result<Buffer> load(ByteRange range) const {
      const PageSize page_size = at.base_row.page_size;
      Buffer bytes(page_size.pages_in(range.size) * page_size.bytes());
      std::vector<std::uint64_t> hashes;
      TRY(parts.source->read_pages(at, page_size.page_at(range.begin), bytes.bytes(), hashes));
      return bytes;
    }

    const NativeViewParts parts;
    const EpochContext at;
    AheadPieces pieces;
  };
  std::shared_ptr<State> state_;
};

class NativeImage final : public EpochImage {
 public:
  NativeImage(std::shared_ptr<const NativeSource> source, EpochContext at, const AheadPlan& plan)
      : source_(std::move(source)), at_(std::move(at)), plan_(plan) {}

  [[nodiscard]] const native::EpochFacts& facts() const noexcept override { return at_.facts; }
  [[nodiscard]] PageSize page_size() const noexcept override { return at_.base_row.page_size; }
  [[nodiscard]] std::uint32_t stride_pages() const noexcept override {
    return at_.base_row.block_bytes / at_.base_row.page_size.bytes();
  }
  Result<void> read_pages(PageNo first, MutableByteView out,
                          std::vector<std::uint64_t>& hashes) const override {
    return source_->read_pages(at_, first, out, hashes);
  }
  Result<std::vector<std::uint64_t>> page_hashes(PageRange pages) const override {
    return source_->page_hashes(at_, pages);
  }
  [[nodiscard]] unsigned readers() const noexcept override { return plan_.readers; }
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept override {
    return plan_.image_piece_bytes;
  }

 private:
  std::shared_ptr<const NativeSource> source_;
  EpochContext at_;
  AheadPlan plan_;
};

}  // namespace

std::shared_ptr<const EpochImage> open_native_image(std::shared_ptr<const NativeSource> source,
                                                    EpochContext at, const AheadPlan& plan) {
  return std::make_shared<const NativeImage>(std::move(source), std::move(at), plan);
}

Result<std::shared_ptr<const View>> open_native_view(const NativeViewParts& parts,
                                                     const Timeline& timeline,
                                                     const EpochContext& at) {
  return open_paged_view(
      PagedEpoch{parts.source->database(), parts.engine, parts.file_name, at.facts,
                 at.base_row.page_size, at.segment, at.base_row.filename,
                 std::make_shared<const PagedFile>(parts, at)},
      timeline);
}

}  // namespace epochfs::engine
