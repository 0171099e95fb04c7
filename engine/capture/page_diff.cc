#include "engine/capture/page_diff.h"

#include <fmt/format.h>

#include <algorithm>

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kPagesPerRange = 4096;
constexpr std::uint64_t kCompareBytes = 1024 * 1024;

// Expected hashes of the pages in [first, last]; none for pages that are new.
Result<std::vector<std::uint64_t>> hashes_of(const ExpectedPages& expected, std::uint64_t first,
                                             std::uint64_t last) {
  last = std::min(last, expected.count);
  if (last < first) return std::vector<std::uint64_t>();
  const PageRange range = {PageNo(static_cast<std::uint32_t>(first)),
                           PageNo(static_cast<std::uint32_t>(last))};
  TRY_ASSIGN(auto hashes, expected.hashes(range));
  if (hashes.size() != last - first + 1)
    return Error::corrupt(
        fmt::format("{} hashes are known for pages {} to {}", hashes.size(), first, last));
  return hashes;
}

class DiffBatch final : public ChangeBatch {
 public:
  DiffBatch(EpochDraft draft, PageSize page_size, PageSet changed, ReadChanged read)
      : epochs_{draft},
        page_size_(page_size),
        changed_(std::move(changed)),
        read_(std::move(read)) {}

  const std::vector<EpochDraft>& epochs() const noexcept override { return epochs_; }

  Result<void> visit(const Sink& sink) override {
    Bytes bytes(page_size_.bytes());
    std::uint64_t number = 0;
    for (std::size_t at = 0; at < changed_.size(); ++at) {
      if (!changed_[at]) continue;
      const PageNo page(static_cast<std::uint32_t>(at + 1));
      TRY(read_(page, number++, bytes));
      TRY(sink(page, 0, bytes));
    }
    return {};
  }

 private:
  std::vector<EpochDraft> epochs_;
  PageSize page_size_;
  PageSet changed_;
  ReadChanged read_;
};

}  // namespace

ExpectedPages expected_pages(const KnownState& known) {
  return {known.page_size.pages_in(known.newest.size_bytes), known.page_hashes};
}

Result<PageSet> compare_pages(PageReader& pages, PageSize page_size, std::uint64_t page_count,
                              const ExpectedPages& expected, const ChangedPage& on_change) {
  PageSet changed(static_cast<std::size_t>(page_count));
  const std::uint64_t read_pages = std::max<std::uint64_t>(1, kCompareBytes / page_size.bytes());
  Bytes buffer(static_cast<std::size_t>(read_pages * page_size.bytes()));
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t at = 0; at < page_count; at += read_pages) {
    if (at % kPagesPerRange == 0) {
      TRY_ASSIGN(hashes, hashes_of(expected, at + 1, at + kPagesPerRange));
    }
    const std::uint64_t count = std::min(read_pages, page_count - at);
    const MutableByteView bytes =
        MutableByteView(buffer).first(static_cast<std::size_t>(count * page_size.bytes()));
    TRY(pages.read(PageNo(static_cast<std::uint32_t>(at + 1)), bytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      const ByteView page = ByteView(bytes).subspan(static_cast<std::size_t>(i) * page_size.bytes(),
                                                    page_size.bytes());
      const auto place = static_cast<std::size_t>((at + i) % kPagesPerRange);
      if (place < hashes.size() && hashes[place] == page_hash(page)) continue;
      changed[static_cast<std::size_t>(at + i)] = true;
      TRY(on_change(PageNo(static_cast<std::uint32_t>(at + i + 1)), page));
    }
  }
  return changed;
}

std::unique_ptr<ChangeBatch> make_diff_batch(EpochDraft draft, PageSize page_size, PageSet changed,
                                             ReadChanged read) {
  return std::make_unique<DiffBatch>(draft, page_size, std::move(changed), std::move(read));
}

}  // namespace epochfs::engine
