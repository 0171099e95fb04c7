// The writing half of a prefix in ZLayer's layout: its keys, in an order in which the original's
// restore finds a committed state after each of them.
//
// Order     a copy is durable under the next number; a snapshot is durable, then metadata.json,
//           which names it, then whoever called is told
// Writers   numbers only grow, and no object is ever replaced but metadata.json, by its version:
//           of two writers one gets kLocked. A snapshot may take effect only behind a copy that
//           says that its generation is closed, so nobody can add to it any more
// Errors    kLocked: another writer has it, or was faster · kInvalid: something else lies there ·
//           those of the storage
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/formats/zlayer/metadata.h"
#include "engine/formats/zlayer/tail.h"
#include "engine/source/zlayer_indexer.h"

namespace epochfs::engine {

class ZlayerWriter {
 public:
  // Without a lock nothing may be written.
  enum class Lock { kNone, kTake, kWaitFor };

  // Looks at what is there.
  static Result<std::unique_ptr<ZlayerWriter>> open(const std::string& location, Lock lock);

  [[nodiscard]] std::string location() const { return storage_->location(); }
  [[nodiscard]] bool is_empty() const noexcept { return listing_.empty(); }
  // A sum over the names of all snapshots and copies: while it is the same, epochs keep their
  // numbers. `without`: as if that object was not there.
  [[nodiscard]] std::uint64_t names(const std::string& without = {}) const;
  // What a restore begins with; nullptr: it is not said, or not there.
  [[nodiscard]] const ZlayerObject* snapshot() const;
  // What a restore puts on it; nullptr: nothing.
  [[nodiscard]] const ZlayerObject* newest_copy() const;
  // Stored bytes of all copies for that snapshot.
  [[nodiscard]] std::uint64_t chain_bytes() const;
  // nullopt: not one of ours. kCorrupt: damaged.
  Result<std::optional<zlayer::Claim>> claim_of(const ZlayerObject& object) const;
  Result<std::shared_ptr<const Blob>> open_object(const std::string& name) const {
    return storage_->open(name);
  }

  // kLocked: another writer has added something since this one looked.
  Result<void> check_unchanged() const;

  Result<void> put_copy(const Blob& copy);
  // The newest copy once more, closed: nobody can add to its generation any more, so another
  // snapshot may take effect. Nothing where it is closed already, or none of ours.
  Result<void> close_generation();
  struct OpenSnapshot {
    std::string object;
    std::unique_ptr<Upload> upload;
  };
  // `now`: when it was captured. Where that second is taken, a later one is.
  Result<OpenSnapshot> begin_snapshot(UtcTime now);
  // The upload, then metadata.json: the commit point.
  Result<void> commit_snapshot(OpenSnapshot snapshot, std::uint64_t stored_bytes);

 private:
  ZlayerWriter() = default;
  Result<void> look();
  Result<void> finish_copy(std::unique_ptr<Upload> upload, const std::string& object,
                           std::uint64_t stored_bytes);
  Result<void> check_nothing_else_is_there() const;
  Result<void> load_metadata();
  Result<void> replace_metadata(zlayer::Metadata metadata);
  Result<void> name_old_pair();
  [[nodiscard]] std::uint64_t last_sequence() const;
  // Of the next copy. kInvalid: no number is left.
  Result<std::string> next_copy() const;
  [[nodiscard]] std::string key_of(const std::string& object) const;

  std::shared_ptr<Storage> storage_;
  std::string key_prefix_;  // of the bucket's keys
  std::unique_ptr<WriterLock> lock_;
  ZlayerListing listing_;
  zlayer::Metadata metadata_;
  std::optional<std::string> metadata_version_;  // nullopt: there is none yet
};

}  // namespace epochfs::engine
