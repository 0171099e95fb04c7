// The writing half of a Grafeo backup directory: its segments and its manifest, in the order that
// survives crashes.
//
// Order     segment durable, then the manifest that names it (temporary file, rename), then whoever
//           called is told
// Writers   one of ours at a time, by a lock; Grafeo knows no such lock, so its own backups into
// the
//           directory must not run at the same time. One that ran nevertheless is noticed at the
//           manifest
// Threads   one
// Errors    kLocked: another writer has it, or replaced the manifest meanwhile · kInvalid: the
//           directory is a repository of epochfs · those of the manifest
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/manifest.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

class GrafeoWriter {
 public:
  enum class Lock { kNone, kTake, kWaitFor };
  // A directory that does not exist yet begins with an empty manifest. Without a lock nothing may
  // be written.
  static Result<GrafeoWriter> open(const std::string& directory, Lock lock);

  [[nodiscard]] const Storage& storage() const noexcept { return *storage_; }
  [[nodiscard]] const grafeo::Manifest& manifest() const noexcept { return manifest_; }
  // The greatest end of a segment; nullopt: there is none.
  [[nodiscard]] std::optional<Epoch> last_epoch() const noexcept;
  // The newest full and what follows it; empty: there is no full.
  [[nodiscard]] std::span<const grafeo::SegmentEntry> chain() const noexcept;
  // That its files are there, by their sizes. kNotFound, kCorrupt: which is not.
  [[nodiscard]] Result<void> check_chain() const;

  class OpenSegment {
   public:
    Result<void> append(ByteView bytes);

   private:
    friend class GrafeoWriter;
    grafeo::SegmentEntry entry_;
    std::unique_ptr<Upload> upload_;
    Crc32 crc_;
  };
  Result<OpenSegment> begin_full(Epoch end);
  Result<OpenSegment> begin_incremental(Epoch start, Epoch end);
  // The commit point. The manifest becomes one of `generation`, if it is not one already.
  // Returns the size of the segment.
  Result<std::uint64_t> commit(OpenSegment segment, grafeo::Generation generation);

 private:
  GrafeoWriter() = default;
  Result<void> load_manifest();
  Result<OpenSegment> begin(grafeo::SegmentEntry entry);
  [[nodiscard]] std::string next_name(std::string_view prefix, std::string_view suffix) const;

  std::shared_ptr<Storage> storage_;
  std::unique_ptr<WriterLock> lock_;
  grafeo::Manifest manifest_;
  std::optional<std::string> version_;  // of the stored manifest; nullopt: none yet
};

}  // namespace epochfs::engine
