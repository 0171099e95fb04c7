// The writing half of a native database: its segments, its manifest, its cursor, in the order that
// survives crashes.
//
// Order     segment durable, then the manifest that names it, then whoever called is told; the
// cursor is only a hint Threads   one Errors    kLocked: another writer has it, or replaced the
// manifest meanwhile
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/repo/native_database.h"
#include "engine/segment/segment_writer.h"

namespace epochfs::engine {

class NativeWriter {
 public:
  // Takes the writer's lock; a database that does not exist yet begins with an empty manifest.
  // `wait`: for the lock.
  static Result<NativeWriter> open(const NativeParts& parts, const std::string& database,
                                   bool wait);

  [[nodiscard]] bool is_new() const noexcept { return !version_; }
  [[nodiscard]] const native::Manifest& manifest() const noexcept { return manifest_; }
  // Of the object that holds it; only when it is not new.
  [[nodiscard]] const std::string& manifest_version() const noexcept { return *version_; }
  // For a new database: what it is. The first commit writes it.
  void describe(native::Engine engine, std::string file_name);
  // Of a database of Grafeo's; the next commit writes it.
  void set_generation(grafeo::Generation generation) noexcept;

  // The greatest epoch number ever given out, usable or not; 0: none.
  [[nodiscard]] Epoch last_epoch() const noexcept;
  // Whether a full ends at `epoch` already.
  [[nodiscard]] bool has_full(Epoch epoch) const noexcept;
  // Stored bytes of the incrementals on the newest full, and of that full.
  struct ChainCost {
    std::uint64_t full_bytes = 0;
    std::uint64_t incremental_bytes = 0;
  };
  [[nodiscard]] ChainCost chain_cost() const noexcept;

  struct OpenSegment {
    std::string filename;
    std::unique_ptr<Upload> upload;
  };
  Result<OpenSegment> begin_full(Epoch epoch);
  Result<OpenSegment> begin_incremental(Epoch first, Epoch last);
  Result<OpenSegment> begin_log(Epoch first, Epoch last);
  // Publishes a segment whose writer has finished: the upload, then the manifest. The commit point.
  // Where names are never used twice, a segment that lost the race is removed again.
  Result<void> commit(OpenSegment segment, const SegmentSummary& summary);
  // The same in two steps: what the manifest will say of a segment, made now; and, once the upload
  // is finished, that it does.
  Result<native::SegmentEntry> entry_of(const OpenSegment& segment,
                                        const SegmentSummary& summary) const;
  Result<void> publish(native::SegmentEntry entry);

  Result<void> save_cursor(const native::Cursor& cursor);

 private:
  NativeWriter(NativeParts parts, std::string database, std::unique_ptr<WriterLock> lock)
      : parts_(std::move(parts)), database_(std::move(database)), lock_(std::move(lock)) {}
  Result<OpenSegment> begin(std::string filename);
  // What is stored must be the manifest that was just written, or one that goes on from it.
  Result<void> take_version(const std::string& filename);
  void remove_unless_named(const std::string& filename) const;
  [[nodiscard]] bool has_segment(const std::string& filename) const noexcept;

  NativeParts parts_;
  std::string database_;
  std::unique_ptr<WriterLock> lock_;
  native::Manifest manifest_;
  // Of the stored manifest; nullopt: none yet. No object's, when it could not be told what
  // became of the one that was written.
  std::optional<std::string> version_;
  Sha256Digest sha256_{};  // of its bytes
};

}  // namespace epochfs::engine
