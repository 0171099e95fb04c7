// Objects that can only be decompressed from their beginning, as files that can be read anywhere:
// each is decompressed once into a private directory of the user's cache. Of whom only the front
// is wanted, only the front is fetched: up to the next power of two, kFrontBytesMin at least.
//
// Trust     none in what lies there: who reads checks what he reads, and calls discard() when it is
//           not what it must be
// Threads   any. An object is decompressed once however many ask; a few at a time, and
//           all who wait are told when the storage cannot be reached
// Bounds    at most `bytes_max` on disk, but for objects that are larger alone, and for what is
//           being read; the oldest go first, and all of them when the disk is full. What is open
//           stays readable
// Errors    kCorrupt: missing, replaced, or not what it was when it was indexed · kNoSpace, kIo
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "engine/core/shared_failure.h"
#include "engine/source/open_segments.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

class DecompressedObjects {
 public:
  static constexpr std::uint64_t kBytesMax = 16ULL << 30U;
  static constexpr std::uint64_t kFrontBytesMin = 1ULL << 20U;

  // `directory`: made when it is needed.
  DecompressedObjects(std::shared_ptr<const Storage> storage, const std::string& directory,
                      std::uint64_t bytes_max = kBytesMax);

  struct Object {
    std::string name;  // in the storage
    std::string version;
    std::uint64_t plain_bytes = 0;
    std::uint64_t wanted_bytes = plain_bytes;  // from its beginning
  };
  Result<std::shared_ptr<const Blob>> open(const Object& object);
  // What was decompressed of it is damaged: the next open() does it again.
  void discard(const Object& object);

  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept { return bytes_read_.load(); }

 private:
  struct Turn {
    std::mutex mutex;
    SharedFailure failure;  // under the mutex
  };

  // So much of an object as a file.
  struct Front {
    const Object* object = nullptr;
    std::uint64_t bytes = 0;
    std::uint64_t key = 0;
    std::string file;
  };
  static Front front_of(const Object& object, std::uint64_t wanted_bytes);
  Result<std::shared_ptr<const Blob>> open_file(const Front& front);
  Result<void> decompress(const Front& front);
  Result<void> make_room(std::uint64_t bytes);

  std::shared_ptr<const Storage> storage_;
  std::shared_ptr<Storage> files_;
  std::uint64_t bytes_max_;
  OpenSegments open_;
  std::array<Turn, 4> turns_;  // one per object that is decompressed at the same time
  std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace epochfs::engine
