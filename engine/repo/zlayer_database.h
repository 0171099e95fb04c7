// SQLite databases as ZLayer's replicator stores them: snapshots and copies of the log below a
// prefix, mounted as they are. Inside the room only.
//
// Writes    nothing, ever, into the storage; index and decompressed objects lie in the user's cache
// Names     the replicator stores none: a database is called after its prefix, and its file that
//           and ".db"
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/repo/named_objects.h"
#include "engine/repo/operations.h"
#include "engine/repo/refreshed.h"
#include "engine/repo/stored_database.h"
#include "engine/source/zlayer_source.h"
#include "engine/view/indexed_timeline.h"

namespace epochfs::engine {

struct ZlayerParts {
  std::shared_ptr<const Storage> storage;
  std::shared_ptr<PageIndex> index;
  std::shared_ptr<DecompressedObjects> objects;
};

class ZlayerDatabase final : public StoredDatabase {
 public:
  // Reads what the index does not know yet.
  static Result<std::shared_ptr<ZlayerDatabase>> open(const ZlayerParts& parts, ZlayerPlace place);

  [[nodiscard]] const std::string& name() const noexcept override {
    return source_->place().database;
  }
  [[nodiscard]] native::Engine engine() const noexcept override { return native::Engine::kSqlite; }
  [[nodiscard]] const std::string& file_name() const noexcept override { return file_name_; }
  [[nodiscard]] bool needs_integrity_check() const noexcept override { return true; }
  Result<std::shared_ptr<const Timeline>> timeline() override;
  Result<std::shared_ptr<const View>> view(Epoch epoch) override;
  Result<std::shared_ptr<const EpochImage>> image(Epoch epoch) override;
  Result<DatabaseSummary> summary() override;
  std::string last_failure() override { return taken_.failure(); }
  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept override {
    return source_->stored_bytes_read();
  }

 private:
  // A listing and what followed from it; replaced as a whole.
  struct Taken {
    std::uint64_t snapshots = 0;
    std::uint64_t copies = 0;
    std::shared_ptr<const IndexedTimeline> timeline;
  };

  ZlayerDatabase(ZlayerParts parts, ZlayerPlace place);
  Result<std::shared_ptr<const Taken>> look(const std::shared_ptr<const Taken>& before) const;

  ZlayerParts parts_;
  std::string file_name_;
  std::shared_ptr<const ZlayerSource> source_;
  // When objects that the storage refuses were asked for last. Looks come one at a time.
  mutable std::optional<std::chrono::steady_clock::time_point> asked_again_;
  Refreshed<Taken> taken_;
};

class ZlayerRepository final : public Repository {
 public:
  // kNoRepository: neither the place nor a directory right below it holds such objects.
  static Result<std::shared_ptr<ZlayerRepository>> open(
      const RepositoryOptions& options, PageIndex::Kind index = PageIndex::Kind::kKept);

  [[nodiscard]] std::string location() const override { return parts_.storage->location(); }
  // Such a place has no name for itself.
  [[nodiscard]] const std::string& id() const noexcept override { return id_; }
  [[nodiscard]] const std::string& cache_directory() const noexcept override {
    return cache_directory_;
  }
  Result<std::vector<std::string>> databases() override;
  Result<std::shared_ptr<Database>> database(const std::string& name) override;
  [[nodiscard]] CacheCounters cache_counters() const override;

  [[nodiscard]] const ZlayerParts& parts() const noexcept { return parts_; }
  Result<std::vector<ZlayerPlace>> places();

 private:
  ZlayerRepository(ZlayerParts parts, ZlayerPlace root, std::string cache_directory)
      : parts_(std::move(parts)),
        root_(std::move(root)),
        cache_directory_(std::move(cache_directory)),
        places_(look_interval(*parts_.storage)) {}

  ZlayerParts parts_;
  ZlayerPlace root_;
  std::string id_;
  std::string cache_directory_;
  Recent<std::vector<ZlayerPlace>> places_;
  NamedObjects<ZlayerDatabase> databases_;
};

// verify() of them. `scratch`: a directory for an index of its own. As verify() otherwise;
// kNoRepository also when there is no such place.
Result<VerifyReport> verify_zlayer(const RepositoryOptions& scratch, const std::string& database,
                                   bool quick, const Progress& progress);

}  // namespace epochfs::engine
