// Pages of a native repository's database at any epoch: index, segments and cache put together.
//
// Trust     every page is checked against its hash before it is returned, every record against its
//           page and epochs
// Threads   any
// Memory    blocks live in the cache, open segments in OpenSegments
// Requests  of a store: neighbours of what one call needs come with one range read
// Errors    kCorrupt: damaged, missing or changed segment, with its name and place · kNoSuchEpoch ·
//           kIo
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/cache/block_cache.h"
#include "engine/core/pieces.h"
#include "engine/index/page_index.h"
#include "engine/source/fetched_ranges.h"
#include "engine/source/open_segments.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// What every read of one epoch needs, looked up once. The facts never change.
struct EpochContext {
  DatabaseNo database;
  native::EpochFacts facts;
  SegmentNo base;
  SegmentRow base_row;
  std::string segment;  // file that brought the epoch

  [[nodiscard]] std::uint64_t page_count() const noexcept {
    return base_row.page_size.pages_in(facts.size_bytes);
  }
  [[nodiscard]] std::uint64_t base_page_count() const noexcept {
    return base_row.page_size.pages_in(base_row.image_bytes);
  }
};

class NativeSource {
 public:
  NativeSource(std::shared_ptr<const Storage> storage, std::shared_ptr<PageIndex> index,
               std::shared_ptr<BlockCache> cache, std::shared_ptr<OpenSegments> open_segments,
               std::string database);

  Result<EpochContext> context(DatabaseNo database, Epoch epoch) const;

  // The bytes of `range`, which lies inside the epoch's size, through the cache.
  Result<Pieces> read(const EpochContext& at, ByteRange range) const;

  // Pages [first, first + out.size() / page size) of the epoch straight into `out`, past the cache;
  // `hashes` gets theirs. Cheapest when `first` begins a block.
  Result<void> read_pages(const EpochContext& at, PageNo first, MutableByteView out,
                          std::vector<std::uint64_t>& hashes) const;

  // Hashes of the pages at that epoch, without reading the pages.
  Result<std::vector<std::uint64_t>> page_hashes(const EpochContext& at, PageRange pages) const;

  // A page's image in the epoch's base full (whole page, padded), empty when the base has no such
  // page.
  Result<Piece> base_page(const EpochContext& at, PageNo page) const;

  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept { return bytes_read_.load(); }
  [[nodiscard]] const std::string& database() const noexcept { return database_; }

 private:
  struct Layout;  // which records and blocks hold a range of pages

  Result<Layout> lay_out(const EpochContext& at, PageRange pages) const;
  // What the layout needs and the cache lacks, fetched in runs; it is at hand as long as the result
  // lives. What cannot be fetched so is left to whoever needs it.
  std::vector<FetchedRanges::Hold> fetch_together(const EpochContext& at, const Layout& layout,
                                                  bool cached) const;
  Result<Buffer> read_stored(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                             std::uint64_t size) const;
  Result<BlockPtr> load_block(const EpochContext& at, const Layout& layout,
                              std::uint64_t block) const;
  Result<BlockPtr> load_record(const EpochContext& at, const Layout& layout,
                               const RecordPlace& found) const;
  // A unit as it is stored.
  Result<Piece> stored_bytes(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                             std::uint32_t size) const;
  template <class Use>
  auto with_stored_bytes(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                         std::uint32_t size, const Use& use) const -> decltype(use(ByteView()));
  Result<std::shared_ptr<const Blob>> segment_blob(DatabaseNo database, SegmentNo segment) const;
  // `known`: as the index knows it, without a look where that costs a request.
  Result<std::shared_ptr<const Blob>> open_segment(DatabaseNo database, SegmentNo segment,
                                                   bool known) const;
  Result<void> read_anew(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                         MutableByteView out, const Blob& before) const;
  // Those of the block's pages that lie in `pages` into `out`, which begins with the first of
  // these.
  Result<void> copy_block(const EpochContext& at, const BlockPlace& found, std::uint64_t block,
                          PageRange pages, MutableByteView out) const;
  std::string place(DatabaseNo database, SegmentNo segment, std::uint64_t offset) const;

  std::shared_ptr<const Storage> storage_;
  std::shared_ptr<PageIndex> index_;
  std::shared_ptr<BlockCache> cache_;
  std::shared_ptr<OpenSegments> open_segments_;
  std::string database_;
  const std::unique_ptr<FetchedRanges> fetched_;  // null: the storage is near
  mutable std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace epochfs::engine
