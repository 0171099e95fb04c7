// One database at one epoch, as files; and the line of its epochs.
//
// Values    a View and a Timeline never change; whoever holds one may go on using it for ever
// Threads   any
// Errors    kCorrupt / kIo from read(): that range cannot be served, the rest still can
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/pieces.h"
#include "engine/formats/native/manifest.h"

namespace epochfs::engine {

class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  [[nodiscard]] virtual std::uint64_t size_bytes() const noexcept = 0;
  // Exactly the bytes of `range`, which lies inside the file, in order and verified; or a failure.
  virtual Result<Pieces> read(ByteRange range) const = 0;
  // The caller will soon read `range` (clamped to the file). Returns at once; failures show up in
  // read().
  virtual void prefetch(ByteRange range) const = 0;
  // How much of it is worth fetching ahead of a reader who reads all of it.
  [[nodiscard]] virtual std::uint64_t bytes_ahead() const noexcept { return 4 * 1024 * 1024; }
};

struct FileEntry {
  std::string name;
  std::uint64_t size_bytes = 0;
  // Epochs do not change, but what is told about the newest may (epoch.json): its bytes must not be
  // kept.
  bool volatile_content = false;
  // The directory that it lies in, one plain name; empty: the epoch's own.
  std::string directory{};
};

// An epoch and its neighbours, as epoch.json and `log` show it.
struct EpochInfo {
  native::EpochFacts facts;
  std::optional<Epoch> parent;         // the epoch before; nullopt for the first
  std::optional<UtcTime> valid_until;  // commit time of the epoch after; nullopt for the newest
  std::string segment;                 // file that brought it
  std::string base;                    // full below it
};

class View {
 public:
  View() = default;
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  virtual ~View() = default;

  [[nodiscard]] virtual const EpochInfo& info() const noexcept = 0;
  // The files of the epoch, in listing order; the database itself is the first. Those of a
  // directory follow each other.
  [[nodiscard]] virtual const std::vector<FileEntry>& files() const noexcept = 0;
  virtual Result<std::shared_ptr<const File>> open(std::size_t file_index) const = 0;
};

// The pages of one epoch, for a program that wants all of them: past the cache, in large pieces,
// with their hashes.
class EpochImage {
 public:
  EpochImage() = default;
  EpochImage(const EpochImage&) = delete;
  EpochImage& operator=(const EpochImage&) = delete;
  virtual ~EpochImage() = default;

  [[nodiscard]] virtual const native::EpochFacts& facts() const noexcept = 0;
  [[nodiscard]] virtual PageSize page_size() const noexcept = 0;
  // Ranges that begin at a multiple of this many pages (counted from 0) are read without doing work
  // twice.
  [[nodiscard]] virtual std::uint32_t stride_pages() const noexcept = 0;
  // How much to read at once, about: little enough for a processor's own cache, unless what lies
  // together should come together.
  [[nodiscard]] virtual std::uint64_t piece_bytes() const noexcept { return 512 * 1024; }
  // Whole pages from `first` on into `out`, which they fill; the last page of a file is padded with
  // zeros.
  virtual Result<void> read_pages(PageNo first, MutableByteView out,
                                  std::vector<std::uint64_t>& hashes) const = 0;
  virtual Result<std::vector<std::uint64_t>> page_hashes(PageRange pages) const = 0;
  // How many threads that read at once are worth it, whatever the number of cores; 0: one each.
  [[nodiscard]] virtual unsigned readers() const noexcept { return 0; }
};

// One epoch that is an image and a log on top of it, for a program that wants all of it, as it is
// stored and checked against the sums that it was stored with.
class LoggedEpoch {
 public:
  LoggedEpoch() = default;
  LoggedEpoch(const LoggedEpoch&) = delete;
  LoggedEpoch& operator=(const LoggedEpoch&) = delete;
  virtual ~LoggedEpoch() = default;

  [[nodiscard]] virtual const native::EpochFacts& facts() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t image_bytes() const noexcept = 0;
  // 0: it has no log.
  [[nodiscard]] virtual std::uint64_t log_bytes() const noexcept = 0;
  // The log as a file: its name, in a directory that is called as the database and this behind it.
  [[nodiscard]] virtual std::string log_name() const = 0;
  [[nodiscard]] virtual std::string_view log_directory_suffix() const noexcept = 0;

  // Feeds the image, then the log, each from its beginning. kCorrupt: an object that they lie in is
  // not what was stored; what was fed by then is worthless.
  using Sink = std::function<Result<void>(ByteView bytes)>;
  virtual Result<void> read(const Sink& image, const Sink& log) const = 0;
};

// The epochs of one database as known at one moment. Lookups go to the index: cost and memory do
// not grow with history. kIo: the index failed.
class Timeline {
 public:
  Timeline() = default;
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;
  virtual ~Timeline() = default;

  // Another number: not this history continued, but one that has taken its place. What was known of
  // an epoch says nothing about the epoch of that number now.
  [[nodiscard]] virtual std::uint64_t history() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t epoch_count() const noexcept = 0;
  [[nodiscard]] virtual std::optional<Epoch> oldest() const noexcept = 0;
  [[nodiscard]] virtual std::optional<Epoch> newest() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t stored_bytes() const noexcept = 0;  // of all segments
  [[nodiscard]] virtual std::optional<UtcTime> covered_until() const noexcept = 0;
  // Objects that cannot be used, for damage or because they are not there: epochs may be missing.
  [[nodiscard]] virtual std::size_t problem_count() const noexcept { return 0; }

  virtual Result<std::optional<native::EpochFacts>> find(Epoch epoch) const = 0;
  // The epoch before `epoch`, which itself need not exist.
  virtual Result<std::optional<native::EpochFacts>> newest_below(Epoch epoch) const = 0;
  // The last epoch committed at or before `moment`.
  virtual Result<std::optional<native::EpochFacts>> newest_at(UtcTime moment) const = 0;
  // The first epoch committed at or after `moment`.
  virtual Result<std::optional<native::EpochFacts>> oldest_from(UtcTime moment) const = 0;
  // At most `count_max` epochs from `first` (included) on, ascending.
  virtual Result<std::vector<native::EpochFacts>> list(Epoch first,
                                                       std::size_t count_max) const = 0;
  // The newest `count_max` epochs, ascending.
  virtual Result<std::vector<native::EpochFacts>> newest_epochs(std::size_t count_max) const = 0;
};

// Calls `visit` with the epochs from `first` (included) on, ascending, as long as it returns true.
Result<void> visit_epochs(const Timeline& timeline, Epoch first,
                          const std::function<Result<bool>(const native::EpochFacts&)>& visit);

// The epoch with its neighbours in the timeline.
Result<EpochInfo> epoch_info(const Timeline& timeline, const native::EpochFacts& facts,
                             std::string segment, std::string base);

}  // namespace epochfs::engine
