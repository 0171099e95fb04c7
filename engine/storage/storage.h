// Whole objects by name: the only way to a repository's bytes, local or remote.
//
// Names     "epochfs.json", "app/manifest.json": relative, '/'-separated, at most eight plain
//           components of which none begins with '.': those names belong to the storage (locks,
//           half-written objects) and to whoever else keeps things there. Any other name is
//           kInvalid before the storage is asked.
// Trust     none in the content; local storage never leaves its root (no symlinks, regular files)
// Threads   all functions of all classes here may run on any number of threads, but an Upload and
//           a WriterLock belong to one thread at a time
// Stores    an object store (s3_storage.h) is poorer than a directory where a comment here says so
// Errors    kNotFound: no such object · kCorrupt: what has the name is no object (a symlink, a
//           device) · kIo, kUnreachable: the storage failed · kNoSpace · kExists, kLocked: lost a
//           race. Each names the object as describe() does
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/error.h"
#include "engine/core/units.h"

namespace epochfs::engine {

struct ObjectInfo {
  std::string name;  // last component only
  std::uint64_t size_bytes = 0;
  // Changes whenever the object's content may have changed; equal text = same content. Opaque
  // (local: device, inode, size, mtime and ctime; an object store: its ETag).
  std::string version;
  // When it was last written, as its listing tells; 1970 where it does not.
  UtcTime modified{};
};

struct Listing {
  std::vector<std::string> directories;  // last components, sorted
  std::vector<ObjectInfo> objects;       // sorted by name
};

// One object, pinned: its size, version and content stay what they were when it was opened. In an
// object store a read of an object that was replaced or removed since is kIo, never other bytes.
class Blob {
 public:
  Blob() = default;
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;
  virtual ~Blob() = default;

  [[nodiscard]] virtual std::uint64_t size_bytes() const noexcept = 0;
  [[nodiscard]] virtual const std::string& version() const noexcept = 0;
  // Fills `out` with the bytes from `offset` on, all of it. kCorrupt: beyond the size. kIo: the
  // object got shorter, or cannot be read.
  virtual Result<void> read(std::uint64_t offset, MutableByteView out) const = 0;
  // The bytes there turned out to be wrong. They may have been damaged on their way: a cache lets
  // go of them, and the next read is of the object itself.
  virtual void forget(ByteRange /*range*/) const {}
};

// A new object being written. Nothing is visible under its name until finish(); destruction without
// it leaves nothing behind, and neither does a finish() that failed. After a failed append()
// finish() fails too: half an object never becomes visible.
class Upload {
 public:
  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  virtual ~Upload() = default;

  virtual Result<void> append(ByteView bytes) = 0;
  // Makes the object durable and visible. kExists: the name is taken; the other object is
  // untouched.
  virtual Result<void> finish() = 0;
};

// Held by the one writer of a directory; released by destruction or by the death of the process.
class WriterLock {
 public:
  WriterLock() = default;
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;
  virtual ~WriterLock() = default;
};

class Storage {
 public:
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  virtual ~Storage() = default;

  // For people: the place this storage stands for, and an object in it.
  [[nodiscard]] virtual std::string location() const = 0;
  [[nodiscard]] std::string describe(std::string_view name) const;

  virtual Result<std::shared_ptr<const Blob>> open(std::string_view name) const = 0;
  struct Tailed {
    std::shared_ptr<const Blob> blob;
    Bytes tail;  // its last bytes
  };
  // The object with its last `tail_bytes_max` bytes, or all that it has: one request of a store.
  virtual Result<Tailed> open_with_tail(std::string_view name, std::uint64_t tail_bytes_max) const;
  // The object as somebody found it before. A store is asked nothing: there reading finds out, and
  // is kIo when it is another one by now. Elsewhere it is opened, and the caller compares.
  virtual Result<std::shared_ptr<const Blob>> open_known(std::string_view name,
                                                         std::uint64_t size_bytes,
                                                         const std::string& version) const;
  virtual Result<ObjectInfo> stat(std::string_view name) const = 0;
  // One level below `directory` ("" is the root). Entries that no object name can reach are left
  // out: names that are not plain or begin with '.', and what is neither a regular file nor a
  // directory. A missing directory is kNotFound; in an object store so is an empty one.
  virtual Result<Listing> list(std::string_view directory) const = 0;

  // Directories on the way to the name come into being with it, here and in replace().
  virtual Result<std::unique_ptr<Upload>> create(std::string_view name) = 0;
  // Replaces the object's whole content atomically and durably: a reader sees the old or the new.
  // `expected` is the version it must have now, nullopt: it must not exist. kLocked: it is
  // something else by now.
  virtual Result<void> replace(std::string_view name, ByteView content,
                               const std::optional<std::string>& expected) = 0;
  virtual Result<void> remove(std::string_view name) = 0;  // absent is fine
  // The same for many. After a failure some of them are gone.
  virtual Result<void> remove_all(std::span<const std::string> names);
  // Excludes other writers that lock the same `directory` ("" is the root; created when missing).
  // kLocked: somebody else has it; with `wait`, blocks until it is free. Also clears away what a
  // dead writer left half-written in this directory.
  virtual Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory,
                                                          bool wait) = 0;

  // Whether that keeps anybody out. An object store has no locks: there everybody gets one, and
  // replace() alone decides between writers.
  [[nodiscard]] virtual bool has_locks() const noexcept { return true; }
  // Whether each request costs a way over a network: then few and large ones are better than many.
  [[nodiscard]] virtual bool is_remote() const noexcept { return false; }

  struct Content {
    Bytes bytes;
    std::string version;
  };
  // The whole object, read at once. kCorrupt: larger than `bytes_max`.
  virtual Result<Content> get(std::string_view name, std::uint64_t bytes_max) const;
};

// One path component, 1 to 255 bytes, not "." or "..", no '/', '\\' or control byte. ".app.db" is
// plain (a database may be called so) but no component of an object's name.
[[nodiscard]] bool is_plain_name(std::string_view component) noexcept;
// One to eight plain components joined by '/', none beginning with '.'. kInvalid otherwise.
Result<void> check_object_name(std::string_view name);
// The same for a directory, where "" is the root.
Result<void> check_directory_name(std::string_view directory);

// "a/b/c" is "c" in "a/b"; "c" is in the root "".
[[nodiscard]] std::string_view directory_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view leaf_of(std::string_view name) noexcept;

// kCorrupt: `count` bytes from `offset` on are not inside an object of `size_bytes` bytes that is
// called `what`. For implementations of Blob.
Result<void> check_inside(std::uint64_t size_bytes, std::uint64_t offset, std::uint64_t count,
                          std::string_view what);

}  // namespace epochfs::engine
