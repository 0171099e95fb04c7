// Writes one native segment into an upload: a full from its image, an incremental from its records,
// a log from its bytes.
//
// Layout    engine/formats/native/segment.md
// Threads   one caller; compression runs on `threads` workers behind it, output order is fixed by
//           the input, so the same input gives the same bytes whatever the number of threads
// Memory    a few blocks per worker plus the tables (compressed chunk by chunk as they fill)
// Errors    those of the upload; kInvalid for input out of order
#pragma once

#include <memory>
#include <span>

#include "engine/formats/native/segment_layout.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

struct SegmentWriterOptions {
  int level = 3;                          // zstd
  unsigned threads = 0;                   // 0: one per core
  std::uint32_t block_bytes = 32 * 1024;  // fulls; at least a page
};

// What the manifest wants to know of a finished segment.
struct SegmentSummary {
  std::uint64_t size_bytes = 0;
  std::uint32_t checksum = 0;
  Sha256Digest sha256{};
  Sha256Digest tables_sha256{};
  native::Footer footer;
  StateHash state;  // fulls: of the image; logs: of the bytes
};

class BlockWriter;

class FullWriter {
 public:
  // The upload must outlive the writer and is finished by the caller, after finish().
  FullWriter(Upload& upload, PageSize page_size, const SegmentWriterOptions& options);
  FullWriter(FullWriter&&) noexcept;
  FullWriter& operator=(FullWriter&&) noexcept;
  ~FullWriter();

  Result<void> append(ByteView bytes);  // the image, in order, in pieces of any size
  // `epoch.state` is replaced by the state hash of the image, `epoch.size_bytes` must equal its
  // size.
  Result<SegmentSummary> finish(native::EpochFacts epoch);

 private:
  std::unique_ptr<BlockWriter> blocks_;
};

// A file that holds a piece of a database's own log.
class LogWriter {
 public:
  LogWriter(Upload& upload, const SegmentWriterOptions& options);
  LogWriter(LogWriter&&) noexcept;
  LogWriter& operator=(LogWriter&&) noexcept;
  ~LogWriter();

  Result<void> append(ByteView bytes);
  // The epochs that the file says it is about; whatever they are. kInvalid: there is no byte in it.
  Result<SegmentSummary> finish(Epoch start_epoch, Epoch end_epoch);

 private:
  std::unique_ptr<BlockWriter> blocks_;
};

struct BaseImage {
  Epoch epoch;
  std::uint64_t image_bytes = 0;
};

class IncrementalWriter {
 public:
  IncrementalWriter(Upload& upload, PageSize page_size, BaseImage base, Epoch start_epoch,
                    Epoch end_epoch, const SegmentWriterOptions& options);
  IncrementalWriter(IncrementalWriter&&) noexcept;
  IncrementalWriter& operator=(IncrementalWriter&&) noexcept;
  ~IncrementalWriter();

  // One version of a page; pages ascending, epochs of a page ascending. `bytes` is the whole page
  // (the last page of a file that ends within it is padded with zeros). Versions of one page are
  // gathered into records of at most kRecordBytesMax. `prefix` is the page's image in the base
  // full, empty when the base has no such page; it is only looked at for the first version of a
  // page.
  Result<void> append(PageNo page, Epoch epoch, std::uint64_t hash, ByteView bytes,
                      ByteView prefix);
  // Every epoch from start to end, ascending.
  Result<SegmentSummary> finish(std::span<const native::EpochFacts> epochs);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace epochfs::engine
