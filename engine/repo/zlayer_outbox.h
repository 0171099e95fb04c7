// What this machine keeps of a prefix in ZLayer's layout: how its newest state was left, and the
// newest copy of the log until it is stored there, and for the next one to go on from.
//
// Place     the user's cache directory, apart for each prefix and each database that goes there;
//           for its owner alone. What was not sent yet is lost with it, the rest is found again
// Bounds    one copy at a time, the newest, which has all that was in those before. One that takes
//           more than kCopyBytesMax is kept no longer than the backup takes
// Trust     none: sums cover both files; who goes on from the copy checks it against the claim
// Threads   one; of several processes one, by a lock
// Errors    kLocked: another backup of the same database to the same place · kIo, kNoSpace
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/repo/zlayer_tip.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

class ZlayerOutbox {
 public:
  static constexpr std::uint64_t kCopyBytesMax = 100ULL * 1024 * 1024;

  struct Kept {
    ZlayerTip tip;
    std::string copy;  // the file with the copy that the tip ends in; empty: it is not kept
    // The prefix as it was left: the claim of its newest object, its names, and whether the tip is
    // there. If not, so many epochs at the end of it are new.
    zlayer::Claim sent;
    std::uint64_t names = 0;
    bool is_sent = true;
    std::uint64_t unsent_epochs = 0;
  };

  // `source`: the database's path. Without `lock` nothing is written. What cannot be understood
  // counts as not kept.
  enum class Lock { kNone, kTake, kWaitFor };
  static Result<ZlayerOutbox> open(const std::string& cache_directory, const std::string& location,
                                   const std::string& source, Lock lock);

  [[nodiscard]] std::string directory() const { return files_->location(); }
  [[nodiscard]] const std::optional<Kept>& kept() const noexcept { return kept_; }
  // Durable when it returns; copies that it does not name are gone.
  Result<void> keep(Kept kept);

  Result<void> forget();

  struct OpenCopy {
    std::string name;
    std::unique_ptr<Upload> upload;
  };
  Result<OpenCopy> begin_copy();
  Result<std::shared_ptr<const Blob>> open_copy(const std::string& name) const {
    return files_->open(name);
  }

 private:
  ZlayerOutbox() = default;
  Result<void> lock(bool wait);
  Result<void> load();
  Result<void> remove_copies_but(const std::string& name);

  std::shared_ptr<Storage> files_;
  std::unique_ptr<WriterLock> lock_;
  std::optional<Kept> kept_;
  std::optional<std::string> version_;  // of the file that says what is kept
};

}  // namespace epochfs::engine
