// Writes the history of a database of Grafeo's into a repository of ours: the same files, packed.
//
// Errors    as GrafeoWriter's; kInvalid: the database of that name is another one
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/repo/grafeo_writer.h"
#include "engine/repo/native_writer.h"

namespace epochfs::engine {

class PackedGrafeoWriter final : public GrafeoWriter {
 public:
  struct Options {
    std::string database;
    std::string file_name;  // of the image
    Lock lock = Lock::kTake;
    // Every segment is read back, unpacked and compared before the manifest names it.
    bool read_back = false;
  };
  // A database that does not exist yet begins with an empty manifest.
  static Result<std::unique_ptr<PackedGrafeoWriter>> open(const NativeParts& parts,
                                                          const Options& options);

  [[nodiscard]] std::string location() const override {
    return parts_.storage->location() + "#" + options_.database;
  }

 private:
  PackedGrafeoWriter(NativeParts parts, Options options)
      : parts_(std::move(parts)), options_(std::move(options)) {}
  Result<void> load();
  Result<void> check_same_database(const native::Manifest& manifest) const;
  Result<void> begin_file(grafeo::SegmentEntry& entry) override;
  Result<void> put(ByteView bytes) override;
  Result<std::uint64_t> publish(const grafeo::Manifest& next) override;
  Result<SegmentSummary> finish_file(const grafeo::SegmentEntry& entry);
  Result<void> check_stored(const native::SegmentEntry& entry) const;

  NativeParts parts_;
  Options options_;
  std::optional<NativeWriter> native_;  // none without a lock
  // The segment that is being written: its upload outlives the writer that feeds it.
  NativeWriter::OpenSegment segment_;
  std::optional<FullWriter> full_;
  std::optional<LogWriter> log_;
};

}  // namespace epochfs::engine
