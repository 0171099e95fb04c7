// Pages of a database of ZLayer's at any epoch: a snapshot, and the frames of a log laid over it.
//
// Trust     every page is checked against the hash that it had when the log's own checksums, or a
//           whole reading of the snapshot, vouched for it
// Threads   any
// Memory    what a read asks for; objects lie decompressed on disk (decompressed_objects.h)
// Errors    kCorrupt: an object is missing, replaced or damaged, with its name · kNoSuchEpoch ·
//           those of the storage
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/pieces.h"
#include "engine/index/page_index.h"
#include "engine/source/decompressed_objects.h"
#include "engine/source/zlayer_indexer.h"

namespace epochfs::engine {

// What every read of one epoch needs, looked up once. The facts never change.
struct ZlayerContext {
  struct Layer {
    SegmentRow log;
    std::uint32_t frame = 0;
    std::uint32_t pages = 0;
  };
  native::EpochFacts facts;
  SegmentRow base;
  std::vector<Layer> layers;  // from the bottom up

  [[nodiscard]] PageSize page_size() const noexcept { return base.page_size; }
  // The object that brought it.
  [[nodiscard]] const std::string& segment() const noexcept {
    return layers.empty() ? base.filename : layers.back().log.filename;
  }
};

class ZlayerSource {
 public:
  ZlayerSource(std::shared_ptr<PageIndex> index, std::shared_ptr<DecompressedObjects> objects,
               ZlayerPlace place);

  Result<ZlayerContext> context(DatabaseNo database, Epoch epoch) const;

  // The bytes of `range`, which lies inside the epoch's size.
  Result<Pieces> read(const ZlayerContext& at, ByteRange range) const;
  // Pages from `first` on into `out`, which they fill; `hashes` gets theirs.
  Result<void> read_pages(const ZlayerContext& at, PageNo first, MutableByteView out,
                          std::vector<std::uint64_t>& hashes) const;
  // Without reading the pages.
  Result<std::vector<std::uint64_t>> page_hashes(const ZlayerContext& at, PageRange pages) const;

  [[nodiscard]] const ZlayerPlace& place() const noexcept { return place_; }
  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept {
    return objects_->stored_bytes_read();
  }

 private:
  // Where pages that follow each other lie one behind the other in an object.
  struct Run {
    const SegmentRow* object = nullptr;  // null: pages of zeros, which are in none
    std::uint64_t epoch_bytes = 0;       // as far as the epoch reaches in it
    std::uint64_t offset = 0;
    std::vector<std::uint64_t> hashes;
  };
  Result<std::vector<Run>> lay_out(const ZlayerContext& at, PageRange pages) const;
  Result<void> read_run(const Run& run, PageSize page_size, MutableByteView out) const;

  std::shared_ptr<PageIndex> index_;
  std::shared_ptr<DecompressedObjects> objects_;
  ZlayerPlace place_;
};

}  // namespace epochfs::engine
