// A native repository opened: storage, index, cache; and one database of it. Inside the room only.
#pragma once

#include <memory>
#include <string>

#include "engine/cache/read_ahead.h"
#include "engine/repo/named_objects.h"
#include "engine/repo/refreshed.h"
#include "engine/repo/stored_database.h"
#include "engine/source/native_source.h"
#include "engine/storage/range_cache.h"
#include "engine/view/indexed_timeline.h"
#include "engine/view/native_view.h"

namespace epochfs::engine {

// What every database of a repository shares.
struct NativeParts {
  std::shared_ptr<Storage> storage;
  std::shared_ptr<PageIndex> index;
  std::shared_ptr<BlockCache> cache;
  std::shared_ptr<OpenSegments> open_segments;
  std::shared_ptr<ReadAhead> read_ahead;
  AheadPlan ahead;
  std::shared_ptr<RangeCache> disk_cache;  // that `storage` reads through; null: none
};

// A manifest as it lies in the storage.
struct StoredManifest {
  native::Manifest manifest;
  std::string version;    // of the object
  Sha256Digest sha256{};  // of its bytes
};
// kNotFound: no such database. kCorrupt also when it says another name than its directory.
Result<StoredManifest> load_manifest(const Storage& storage, const std::string& database);
// The directory lacks its manifest but holds more than a first backup leaves that dies before it
// has written one: a history that nobody may take for a new database.
Result<bool> lost_its_manifest(const Storage& storage, const std::string& database);
std::string manifest_path(std::string_view database);
std::string cursor_path(std::string_view database);
struct StoredCursor {
  std::optional<native::Cursor> cursor;  // nullopt: none, or of no use: it is only a hint
  std::string version;                   // of the object; empty: it is not there
};
// No cursor also where it cannot be read, but for kUnreachable: then nothing else can be.
Result<StoredCursor> load_cursor(const Storage& storage, const std::string& database);
// The same where a hint that cannot be read now is not one that is not there.
Result<StoredCursor> read_cursor(const Storage& storage, const std::string& database);

class NativeDatabase final : public StoredDatabase {
 public:
  // Takes in the manifest. The cursor was loaded before it: if a backup ends in between, its epochs
  // come with the next look, never a claim to cover them now.
  static Result<std::shared_ptr<NativeDatabase>> open(const NativeParts& parts, std::string name,
                                                      const StoredCursor& cursor,
                                                      StoredManifest stored);

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] native::Engine engine() const noexcept override { return engine_; }
  [[nodiscard]] const std::string& file_name() const noexcept override { return file_name_; }
  Result<std::shared_ptr<const Timeline>> timeline() override;
  Result<std::shared_ptr<const View>> view(Epoch epoch) override;
  Result<std::shared_ptr<const EpochImage>> image(Epoch epoch) override;
  Result<DatabaseSummary> summary() override;
  std::string last_failure() override;

  [[nodiscard]] std::uint64_t stored_bytes_read() const noexcept override {
    return source_->stored_bytes_read();
  }

 private:
  // A manifest and what followed from it; replaced as a whole.
  struct Taken {
    StoredManifest stored;
    std::string cursor_version;
    std::shared_ptr<const IndexedTimeline> timeline;
  };

  NativeDatabase(NativeParts parts, std::string name);
  Result<std::shared_ptr<const Taken>> look(const std::shared_ptr<const Taken>& before) const;
  // Nothing is newer, and the index has it still.
  Result<bool> is_current(const Taken& taken) const;
  // `again`: as bring_up_to_date() has it.
  Result<std::shared_ptr<const Taken>> take(const StoredCursor& cursor, StoredManifest stored,
                                            bool again) const;

  NativeParts parts_;
  std::string name_;
  native::Engine engine_ = native::Engine::kSqlite;
  std::string file_name_;
  std::shared_ptr<const NativeSource> source_;
  Refreshed<Taken> taken_;
};

class NativeRepository final : public Repository {
 public:
  static Result<std::shared_ptr<NativeRepository>> open(
      const RepositoryOptions& options, PageIndex::Kind index = PageIndex::Kind::kKept);

  [[nodiscard]] std::string location() const override { return parts_.storage->location(); }
  [[nodiscard]] const std::string& id() const noexcept override { return info_.id; }
  [[nodiscard]] const std::string& cache_directory() const noexcept override {
    return cache_directory_;
  }
  Result<std::vector<std::string>> databases() override;
  Result<std::shared_ptr<Database>> database(const std::string& name) override;
  [[nodiscard]] CacheCounters cache_counters() const override;

  [[nodiscard]] const NativeParts& parts() const noexcept { return parts_; }

 private:
  Result<std::shared_ptr<StoredDatabase>> open_database(const std::string& name) const;
  Result<std::vector<std::string>> list_databases() const;
  NativeRepository(NativeParts parts, native::RepositoryInfo info, std::string cache_directory);

  NativeParts parts_;
  native::RepositoryInfo info_;
  std::string cache_directory_;
  NamedObjects<StoredDatabase> databases_;
  // Whoever walks through a mount asks again and again, and for names that nobody has.
  Recent<std::vector<std::string>> names_;
  AbsentNames absent_;
};

}  // namespace epochfs::engine
