#include "engine/view/native_view.h"

#include <algorithm>

#include "engine/view/paged_view.h"

namespace epochfs::engine {
namespace {

// Size and "page P at this epoch".
class PagedFile final : public File {
 public:
  PagedFile(NativeViewParts parts, EpochContext at)
      : state_(std::make_shared<const State>(State{std::move(parts), std::move(at)})) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override {
    return state_->at.facts.size_bytes;
  }

  Result<Pieces> read(ByteRange range) const override {
    return state_->parts.source->read(state_->at, range);
  }

  void prefetch(ByteRange range) const override {
    if (range.begin >= size_bytes()) return;
    const std::uint64_t end = range.begin + std::min(range.size, size_bytes() - range.begin);
    const std::uint64_t piece = state_->parts.ahead.piece_bytes;
    for (std::uint64_t begin = range.begin; begin < end; begin += piece) {
      const ByteRange part{begin, std::min(piece, end - begin)};
      // What the task finds stays in the cache; what it fails at, the reader will fail at too, and
      // say so.
      state_->parts.read_ahead->schedule([state = state_, part] {
        [[maybe_unused]] const auto ignored = state->parts.source->read(state->at, part);
      });
    }
  }

  [[nodiscard]] std::uint64_t bytes_ahead() const noexcept override {
    return state_->parts.ahead.bytes_ahead;
  }

 private:
  // Shared with the read-ahead tasks, which may outlive the file.
  struct State {
    NativeViewParts parts;
    EpochContext at;
  };
  std::shared_ptr<const State> state_;
};

class NativeImage final : public EpochImage {
 public:
  NativeImage(std::shared_ptr<const NativeSource> source, EpochContext at, unsigned readers)
      : source_(std::move(source)), at_(std::move(at)), readers_(readers) {}

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
  [[nodiscard]] unsigned readers() const noexcept override { return readers_; }

 private:
  std::shared_ptr<const NativeSource> source_;
  EpochContext at_;
  unsigned readers_;
};

}  // namespace

std::shared_ptr<const EpochImage> open_native_image(std::shared_ptr<const NativeSource> source,
                                                    EpochContext at, unsigned readers) {
  return std::make_shared<const NativeImage>(std::move(source), std::move(at), readers);
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
