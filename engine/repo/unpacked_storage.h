// A storage in which the segments of one Grafeo database of a repository of ours are the files that
// they hold: its directory looks like the backup directory that it stands for, but for the names.
//
// Trust     as native segments and manifests
// Threads   any
// Memory    the manifest's entries; of segments, with their tables, what OpenSegments holds
// Sizes     of segments they are those of the files; one whose object has not the size that the
//           manifest says is kCorrupt
// Writes    nothing; whatever would is kInvalid
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/formats/native/manifest.h"
#include "engine/source/open_segments.h"
#include "engine/source/unpacked_blob.h"

namespace epochfs::engine {

class UnpackedStorage final : public Storage {
 public:
  UnpackedStorage(std::shared_ptr<const Storage> storage, std::shared_ptr<BlockCache> cache,
                  std::shared_ptr<OpenSegments> open_segments, std::string database);

  [[nodiscard]] std::string location() const override { return storage_->location(); }
  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override;
  Result<ObjectInfo> stat(std::string_view name) const override;
  Result<Listing> list(std::string_view directory) const override {
    return storage_->list(directory);
  }
  Result<std::unique_ptr<Upload>> create(std::string_view name) override;
  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override;
  Result<void> remove(std::string_view name) override;
  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool wait) override;
  [[nodiscard]] bool is_remote() const noexcept override { return storage_->is_remote(); }

  // Of segments, from the storage below, in stored form.
  [[nodiscard]] std::shared_ptr<const std::atomic<std::uint64_t>> bytes_read() const noexcept {
    return bytes_read_;
  }

 private:
  using Entries = std::map<std::string, native::SegmentEntry, std::less<>>;  // by object name

  // nullopt: no segment, but an object as it is.
  Result<std::optional<native::SegmentEntry>> segment(std::string_view name) const;
  // As of the manifest that was read last, or as of now.
  Result<std::shared_ptr<const Entries>> entries(bool as_of_now) const;
  // The object's version, when it has the entry's size.
  Result<ObjectInfo> stat_segment(std::string_view name, const native::SegmentEntry& entry) const;
  Result<std::shared_ptr<const Blob>> open_segment(std::string_view name,
                                                   const native::SegmentEntry& entry) const;
  Result<std::shared_ptr<const Blob>> unpack(std::string_view name,
                                             const native::SegmentEntry& entry) const;
  // Under which that version of the object is among the open segments.
  [[nodiscard]] std::uint64_t key_of(std::string_view name, const std::string& version) const;

  std::shared_ptr<const Storage> storage_;
  std::shared_ptr<BlockCache> cache_;
  std::shared_ptr<OpenSegments> open_segments_;
  std::string database_;
  std::shared_ptr<std::atomic<std::uint64_t>> bytes_read_;
  mutable std::mutex mutex_;                        // guards what follows
  mutable std::shared_ptr<const Entries> entries_;  // null: to be read from the manifest
  struct Key {
    std::string version;
    std::uint64_t key = 0;
  };
  mutable std::map<std::string, Key, std::less<>> keys_;  // by object name
};

}  // namespace epochfs::engine
