// The writing half of a history of Grafeo's: its segments and its manifest, in the order that
// survives crashes. The files are those of Grafeo; how they are kept is for each kind of writer.
//
// Order     segment durable, then the manifest that names it, then whoever called is told
// Threads   one
// Errors    kLocked: another writer has it, or replaced the manifest meanwhile · those of the
//           manifest
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/core/hash.h"
#include "engine/source/grafeo_indexer.h"

namespace epochfs::engine {

class GrafeoWriter {
 public:
  // Without a lock nothing may be written.
  enum class Lock { kNone, kTake, kWaitFor };

  GrafeoWriter() = default;
  GrafeoWriter(const GrafeoWriter&) = delete;
  GrafeoWriter& operator=(const GrafeoWriter&) = delete;
  virtual ~GrafeoWriter() = default;

  // For people.
  [[nodiscard]] virtual std::string location() const = 0;
  [[nodiscard]] const grafeo::Manifest& manifest() const noexcept { return manifest_; }
  // The greatest end of a segment; nullopt: there is none.
  [[nodiscard]] std::optional<Epoch> last_epoch() const noexcept;
  // The newest full and what follows it; empty: there is no full.
  [[nodiscard]] std::span<const grafeo::SegmentEntry> chain() const noexcept;
  // That its files are there, by their sizes. kNotFound, kCorrupt: which is not.
  [[nodiscard]] Result<void> check_chain() const;
  // The file of an entry of the manifest, as Grafeo would have it.
  [[nodiscard]] Result<std::shared_ptr<const Blob>> open(const grafeo::SegmentEntry& entry) const;

  // One segment at a time; beginning another drops it. Of `entry` counts: the kind, the epochs, and
  // when it was made (0: this moment).
  Result<void> begin(grafeo::SegmentEntry entry);
  Result<void> append(ByteView bytes);
  // Of what was appended.
  [[nodiscard]] std::uint32_t crc32() const noexcept { return crc_.value(); }
  // The commit point. The manifest becomes one of `generation`, if it is not one already. Returns
  // how many bytes the segment takes.
  Result<std::uint64_t> commit(grafeo::Generation generation);

 protected:
  // What is there when the writer opens; `storage` shows the files as Grafeo would have them.
  // kCorrupt: an entry of the manifest makes no sense, and nothing is built on such a one.
  Result<void> set_history(std::shared_ptr<const Storage> storage, GrafeoPlace place,
                           grafeo::Manifest manifest);
  [[nodiscard]] const GrafeoPlace& place() const noexcept { return place_; }

 private:
  // Gives the entry its file name and opens the file; puts bytes there; and makes it durable, then
  // `next` the manifest, of which it is the last entry. Returns what it takes.
  virtual Result<void> begin_file(grafeo::SegmentEntry& entry) = 0;
  virtual Result<void> put(ByteView bytes) = 0;
  virtual Result<std::uint64_t> publish(const grafeo::Manifest& next) = 0;

  std::shared_ptr<const Storage> storage_;
  GrafeoPlace place_;
  grafeo::Manifest manifest_;
  grafeo::SegmentEntry entry_;  // being written
  Crc32 crc_;
};

}  // namespace epochfs::engine
