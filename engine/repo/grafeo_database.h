// Databases of Grafeo's: backup directories of its own, mounted as they are, one directory a
// database; and those in repositories of ours. Inside the room only.
//
// Writes    nothing, ever, into the directories; the index lies in the user's cache
// Names     a database is called after its directory
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/formats/grafeo/manifest.h"
#include "engine/repo/named_objects.h"
#include "engine/repo/refreshed.h"
#include "engine/repo/stored_database.h"
#include "engine/source/grafeo_source.h"
#include "engine/view/indexed_timeline.h"

namespace epochfs::engine {

struct GrafeoParts {
  std::shared_ptr<const Storage> storage;
  std::shared_ptr<PageIndex> index;
  // What reading costs where the storage shows more than it stores; null: what is read.
  std::shared_ptr<const std::atomic<std::uint64_t>> stored_bytes_read = nullptr;
};
// Of a database in a repository of ours, and its place in it.
struct NativeParts;
GrafeoParts packed_grafeo_parts(const NativeParts& parts, const std::string& database);
GrafeoPlace packed_grafeo_place(const std::string& database);

struct StoredGrafeoManifest {
  grafeo::Manifest manifest;
  std::string version;             // of the object
  std::string file_name;           // of the image in the epochs
  std::uint64_t stored_bytes = 0;  // of all segments
};
// A manifest of ours as the one that Grafeo would have; segments keep their names.
grafeo::Manifest unpacked_manifest(const native::Manifest& manifest);
// Of a place that is packed, what Grafeo's would be.
// kNotFound: no such directory, or nothing in it.
Result<StoredGrafeoManifest> load_grafeo_manifest(const Storage& storage, const GrafeoPlace& place);

// What the image is called in the epochs of a database that nobody gave a file's name.
std::string grafeo_image_name(const std::string& database);

// The directory's own name, where that can be the name of a database.
std::string name_of_directory(const std::string& location);
// The directories in the storage that hold a manifest: the root alone, or those right below it.
// `root_name`: what the root is called.
Result<std::vector<GrafeoPlace>> find_grafeo_places(const Storage& storage,
                                                    const std::string& root_name);

// A full that was made some epochs after the backup before: they cannot be told apart any more.
Result<std::optional<std::string>> gap_before(const Timeline& timeline,
                                              const grafeo::SegmentEntry& full);

class GrafeoDatabase final : public StoredDatabase {
 public:
  // Loads the manifest and takes it in.
  static Result<std::shared_ptr<GrafeoDatabase>> open(const GrafeoParts& parts, GrafeoPlace place);

  [[nodiscard]] const std::string& name() const noexcept override {
    return source_->place().database;
  }
  [[nodiscard]] native::Engine engine() const noexcept override { return native::Engine::kGrafeo; }
  [[nodiscard]] const std::string& file_name() const noexcept override { return file_name_; }
  Result<std::shared_ptr<const Timeline>> timeline() override;
  Result<std::shared_ptr<const View>> view(Epoch epoch) override;
  Result<std::shared_ptr<const EpochImage>> image(Epoch epoch) override;
  Result<std::shared_ptr<const LoggedEpoch>> logged(Epoch epoch) override;
  Result<DatabaseSummary> summary() override;
  std::string last_failure() override { return taken_.failure(); }
  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept override {
    return parts_.stored_bytes_read ? parts_.stored_bytes_read->load()
                                    : source_->stored_bytes_read();
  }

 private:
  // A manifest and what followed from it; replaced as a whole.
  struct Taken {
    StoredGrafeoManifest stored;
    std::shared_ptr<const IndexedTimeline> timeline;
  };

  GrafeoDatabase(GrafeoParts parts, GrafeoPlace place);
  Result<std::shared_ptr<const Taken>> look(const std::shared_ptr<const Taken>& before) const;

  GrafeoParts parts_;
  std::string file_name_;
  std::shared_ptr<const GrafeoSource> source_;
  Refreshed<Taken> taken_;
};

class GrafeoRepository final : public Repository {
 public:
  // kNoRepository: neither the directory nor one right below it holds a manifest.
  static Result<std::shared_ptr<GrafeoRepository>> open(
      const RepositoryOptions& options, PageIndex::Kind index = PageIndex::Kind::kKept);

  [[nodiscard]] std::string location() const override { return parts_.storage->location(); }
  // Such a directory has no name for itself.
  [[nodiscard]] const std::string& id() const noexcept override { return id_; }
  [[nodiscard]] const std::string& cache_directory() const noexcept override {
    return cache_directory_;
  }
  Result<std::vector<std::string>> databases() override;
  Result<std::shared_ptr<Database>> database(const std::string& name) override;
  [[nodiscard]] CacheCounters cache_counters() const override;

  [[nodiscard]] const GrafeoParts& parts() const noexcept { return parts_; }
  Result<std::vector<GrafeoPlace>> places() const;

 private:
  GrafeoRepository(GrafeoParts parts, std::string root_name, std::string cache_directory)
      : parts_(std::move(parts)),
        root_name_(std::move(root_name)),
        cache_directory_(std::move(cache_directory)) {}

  GrafeoParts parts_;
  std::string root_name_;
  std::string id_;
  std::string cache_directory_;
  NamedObjects<GrafeoDatabase> databases_;
};

}  // namespace epochfs::engine
