// Makes the next copy of a generation's log: everything the newest one has, and a commit for each
// epoch that came since.
//
// Bytes     the log is of our own making: its salts, its checksums, pages as they were captured.
//           What the copy before has is taken over as it is stored, once every frame of it has
//           been decompressed and found right
// Threads   one
// Memory    24 bytes per page version of a batch; their pages are spooled
// Errors    kCorrupt: the copy before is damaged · of the upload and the batches
#pragma once

#include <functional>
#include <span>
#include <string>

#include "engine/capture/byte_source.h"
#include "engine/capture/snapshot.h"
#include "engine/repo/zlayer_tip.h"
#include "engine/segment/zstd_frames.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// Each frame as it is stored, with the size that it has decompressed, once it was found right.
// kCorrupt: damaged, or not the copy of that claim.
using ZlayerFrameVisitor = std::function<Result<void>(Bytes stored, std::uint32_t plain_bytes)>;
Result<void> visit_zlayer_frames(const Blob& copy, const zlayer::Claim& claim,
                                 const ZlayerFrameVisitor& visit);

class ZlayerCopyWriter {
 public:
  // `upload` must outlive it, and is finished by the caller. `tip`: what the copy goes on from.
  ZlayerCopyWriter(Upload& upload, ZlayerTip tip, std::string temp_directory);

  // First, once: the newest copy of the generation; nullptr: there is none.
  Result<void> begin(const Blob* before);
  // False: one of the epochs has no page of its own, and a log cannot say that.
  Result<bool> add(ChangeBatch& batch);
  // What the copy takes so far, its tail not counted.
  Result<std::uint64_t> stored_bytes();
  // The tip that the copy holds; its cursor and whether it is closed are the caller's to set first.
  Result<ZlayerTip> finish();

  [[nodiscard]] ZlayerTip& tip() noexcept { return tip_; }
  [[nodiscard]] std::uint64_t epochs_added() const noexcept { return epochs_added_; }
  [[nodiscard]] std::uint64_t pages_added() const noexcept { return pages_added_; }

 private:
  struct Version {
    PageNo page;
    std::uint32_t ordinal = 0;
    std::uint64_t place = 0;  // in the spool
  };

  Result<void> add_commit(std::span<const Version> versions, std::uint32_t pages_after,
                          ByteSource& spooled);

  Upload& upload_;
  ZlayerTip tip_;
  std::string temp_directory_;
  ZstdFrames frames_;
  std::uint64_t stored_bytes_ = 0;
  std::uint64_t epochs_added_ = 0;
  std::uint64_t pages_added_ = 0;
};

}  // namespace epochfs::engine
