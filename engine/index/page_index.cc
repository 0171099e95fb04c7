#include "engine/index/page_index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "engine/index/epoch_table.h"
#include "engine/index/index_faults.h"
#include "engine/index/index_rows.h"
#include "engine/index/lmdb_table.h"
#include "engine/index/record_table.h"

namespace epochfs::engine {

struct PageIndex::Tables {
  std::string file;  // for messages
  MDB_env* env = nullptr;
  MDB_dbi meta = 0;
  MDB_dbi databases = 0;
  MDB_dbi segments = 0;
  MDB_dbi bases = 0;
  MDB_dbi epochs = 0;
  MDB_dbi records = 0;
  MDB_dbi blocks = 0;
  MDB_dbi extents = 0;
  MDB_dbi objects = 0;
};

namespace {

namespace rows = index_rows;
using lmdb::Cursor;
using lmdb::find;
using lmdb::Item;
using lmdb::put;

constexpr std::string_view kFileName = "index.lmdb";
constexpr std::string_view kLayoutKey = "layout";
constexpr std::string_view kNextNumberKey = "next database";
constexpr unsigned kTables = 9;
constexpr unsigned kReadersMax = 1024;
// Address space, not memory or disk. Halved until the system grants it (ulimit -v).
constexpr std::size_t kMapBytesMax = std::size_t{256} << 30U;
constexpr std::size_t kMapBytesMin = std::size_t{1} << 28U;

// kCorrupt: there is no use in the file, as opposed to in this attempt to open it.
Failure open_failure(int code, std::string_view what) {
  for (const int damage : {MDB_CORRUPTED, MDB_INVALID, MDB_VERSION_MISMATCH, MDB_PAGE_NOTFOUND,
                           MDB_INCOMPATIBLE, MDB_DBS_FULL}) {
    if (code == damage)
      return Error::corrupt(fmt::format("index: {}: {}", what, mdb_strerror(code)));
  }
  return lmdb::failure(code, what);
}

Result<void> make_private_directory(const std::string& directory) {
  for (std::size_t at = directory.find('/', 1); at != std::string::npos;
       at = directory.find('/', at + 1)) {
    const std::string parent = directory.substr(0, at);
    if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST)
      return Error::from_errno(errno, fmt::format("create {}", parent));
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return Error::from_errno(errno, fmt::format("create {}", directory));
  struct stat status {};
  if (::lstat(directory.c_str(), &status) != 0)
    return Error::from_errno(errno, fmt::format("look at {}", directory));
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())
    return Error::io(fmt::format(
        "{} is not a directory of this user: name another with --cache-dir", directory));
  if ((status.st_mode & 077U) != 0 && ::chmod(directory.c_str(), 0700) != 0)
    return Error::from_errno(errno, fmt::format("make {} private", directory));
  return {};
}

// A file that is shorter than the pages it claims would be a SIGBUS on first touch.
Result<void> check_not_truncated(MDB_env* env, const std::string& file) {
  MDB_envinfo info{};
  MDB_stat stat{};
  struct stat status {};
  if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0 ||
      ::stat(file.c_str(), &status) != 0)
    return Error::corrupt("index: cannot be measured");
  if (static_cast<std::uint64_t>(status.st_size) < (info.me_last_pgno + 1) * stat.ms_psize &&
      info.me_last_txnid > 0)
    return Error::corrupt("index: file is cut short");
  return {};
}

// LMDB writes into a map of its lock file: on a filesystem without room for it that is a SIGBUS.
Result<void> reserve_lock_file(const std::string& file) {
  constexpr off_t kBytesPerReader = 64;
  constexpr off_t kHeadBytes = 4096;  // more than it needs
  const std::string lock_file = file + "-lock";
  const UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return Error::from_errno(errno, fmt::format("index: open {}", lock_file));
  const int code = ::posix_fallocate(lock.get(), 0, kHeadBytes + kReadersMax * kBytesPerReader);
  if (code != 0) return Error::from_errno(code, fmt::format("index: make room in {}", lock_file));
  return {};
}

int open_environment(MDB_env* env, const std::string& file, PageIndex::Kind kind,
                     std::size_t map_bytes) {
  mdb_env_set_maxdbs(env, kTables);
  mdb_env_set_maxreaders(env, kReadersMax);
  mdb_env_set_mapsize(env, map_bytes);
  const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD |
                         (kind == PageIndex::Kind::kScratch ? unsigned{MDB_NOSYNC} : 0U);
  const LmdbCall call(file.c_str());
  return mdb_env_open(env, file.c_str(), flags, 0600);
}

// LMDB must not be opened twice in a process: closing either would drop the other's file locks.
class OpenIndexes {
 public:
  template <class Open>
  Result<std::shared_ptr<PageIndex>> get(const std::string& file, const Open& open) {
    const std::lock_guard lock(mutex_);
    if (auto existing = indexes_[file].lock()) return existing;
    TRY_ASSIGN(std::shared_ptr<PageIndex> opened, open());
    indexes_[file] = opened;
    return opened;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<PageIndex>> indexes_;
};

OpenIndexes& open_indexes() {
  static OpenIndexes indexes;
  return indexes;
}

}  // namespace

PageIndex::PageIndex() : env_(nullptr, mdb_env_close), tables_(std::make_unique<Tables>()) {}
PageIndex::~PageIndex() { forget_index(tables_->file); }

Result<std::shared_ptr<PageIndex>> PageIndex::open(const std::string& directory, Kind kind) {
  TRY(make_private_directory(directory));
  const std::string file = fmt::format("{}/{}", directory, kFileName);
  return open_indexes().get(file, [&]() -> Result<std::shared_ptr<PageIndex>> {
    auto opened = open_once(file, kind);
    if (opened ||
        (opened.error().code != Code::kCorrupt && opened.error().code != Code::kUnsupported))
      return opened;
    remove_index(file.c_str());
    return open_once(file, kind);
  });
}

Result<std::shared_ptr<PageIndex>> PageIndex::open_once(const std::string& file, Kind kind) {
  TRY(reserve_lock_file(file));
  std::shared_ptr<PageIndex> index(new PageIndex);
  int code = ENOMEM;
  for (std::size_t bytes = kMapBytesMax; bytes >= kMapBytesMin && code == ENOMEM; bytes /= 2) {
    MDB_env* fresh = nullptr;  // what could not be opened is good for nothing but to be closed
    if (code = mdb_env_create(&fresh); code != 0) return lmdb::failure(code, "create");
    index->env_.reset(fresh);
    code = open_environment(fresh, file, kind, bytes);
  }
  if (code != 0) return open_failure(code, fmt::format("open {}", file));
  MDB_env* raw = index->env_.get();
  index->tables_->file = file;
  watch_index(raw, file);
  TRY(check_not_truncated(raw, file));
  int dead = 0;
  mdb_reader_check(raw, &dead);

  index->tables_->env = raw;
  // Only what is not there yet is created, so that nobody waits for a writer without need.
  TRY_ASSIGN(const bool found, open_tables(raw, *index->tables_, MDB_RDONLY));
  if (!found) TRY(open_tables(raw, *index->tables_, 0));
  return index;
}

Result<bool> PageIndex::open_tables(MDB_env* env, Tables& tables, unsigned flags) {
  MDB_txn* txn_raw = nullptr;
  if (const int code = mdb_txn_begin(env, nullptr, flags, &txn_raw); code != 0)
    return lmdb::failure(code, "begin");
  std::unique_ptr<MDB_txn, ClosedBy<mdb_txn_abort>> txn(txn_raw);
  const LmdbCall call(tables.file.c_str());
  const bool may_write = flags != MDB_RDONLY;
  const std::array<std::pair<const char*, MDB_dbi*>, kTables> named = {
      {{"meta", &tables.meta},
       {"databases", &tables.databases},
       {"segments", &tables.segments},
       {"bases", &tables.bases},
       {"epochs", &tables.epochs},
       {"records", &tables.records},
       {"blocks", &tables.blocks},
       {"extents", &tables.extents},
       {"objects", &tables.objects}}};
  for (const auto& [name, handle] : named) {
    const int code = mdb_dbi_open(txn.get(), name, may_write ? unsigned{MDB_CREATE} : 0U, handle);
    if (code == MDB_NOTFOUND && !may_write) return false;
    if (code != 0) return open_failure(code, fmt::format("open table {}", name));
  }
  std::array<std::byte, 4> layout{};
  store_le(MutableByteView(layout), rows::kIndexLayout);
  const auto found = find({txn.get(), tables.meta}, as_bytes(kLayoutKey));
  if (!found) return Error::corrupt(found.error().text);  // or as another layout has it
  const auto& stored = *found;
  if (stored && !std::ranges::equal(*stored, layout)) return Error::unsupported("index: layout");
  if (!stored && !may_write) return false;
  if (!stored) TRY(put({txn.get(), tables.meta}, as_bytes(kLayoutKey), layout));
  if (const int code = mdb_txn_commit(txn.release()); code != 0)
    return lmdb::failure(code, "commit");
  return true;
}

Result<PageIndex::Reader> PageIndex::read() const {
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &txn); code != 0)
    return lmdb::failure(code, "begin reading");
  return Reader(*tables_, txn);
}

Result<PageIndex::Writer> PageIndex::write() {
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(env_.get(), nullptr, 0, &txn); code != 0)
    return lmdb::failure(code, "begin writing");
  return Writer(Reader(*tables_, txn));
}

PageIndex::Reader::Reader(const Tables& tables, MDB_txn* txn)
    : tables_(&tables), txn_(txn, mdb_txn_abort) {}

Result<std::optional<DatabaseRow>> PageIndex::Reader::database(std::string_view name) const {
  TRY_ASSIGN(const auto value, find({txn_.get(), tables_->databases}, as_bytes(name)));
  if (!value) return std::optional<DatabaseRow>();
  TRY_ASSIGN(DatabaseRow row, rows::parse_database(*value));
  return std::optional(std::move(row));
}

Result<SegmentRow> PageIndex::Reader::segment(DatabaseNo database, SegmentNo segment) const {
  TRY_ASSIGN(const auto value, find({txn_.get(), tables_->segments}, rows::key(database, segment)));
  if (!value) return Error::io(fmt::format("index: no segment {}", segment.get()));
  return rows::parse_segment(*value);
}

Result<std::optional<EpochRow>> PageIndex::Reader::epoch(DatabaseNo database, Epoch epoch) const {
  TRY_ASSIGN(auto row, first_epoch_from(database, epoch));
  return row && row->facts.epoch == epoch ? std::move(row) : std::nullopt;
}

Result<std::optional<EpochRow>> PageIndex::Reader::last_epoch_not_after(DatabaseNo database,
                                                                        Epoch epoch) const {
  TRY_ASSIGN(auto walk, rows::EpochWalk::open({txn_.get(), tables_->epochs}, database, epoch));
  std::optional<EpochRow> last;
  for (;;) {
    TRY_ASSIGN(const EpochRow* const row, walk.next());
    if (row == nullptr || row->facts.epoch > epoch) return last;
    last = *row;
  }
}

Result<std::optional<EpochRow>> PageIndex::Reader::first_epoch_from(DatabaseNo database,
                                                                    Epoch epoch) const {
  TRY_ASSIGN(auto found, epochs(database, epoch, Epoch(UINT64_MAX), 1));
  return found.empty() ? std::optional<EpochRow>() : std::move(found.front());
}

Result<std::vector<EpochRow>> PageIndex::Reader::epochs(DatabaseNo database, Epoch first,
                                                        Epoch last, std::size_t count_max) const {
  TRY_ASSIGN(auto walk, rows::EpochWalk::open({txn_.get(), tables_->epochs}, database, first));
  std::vector<EpochRow> found;
  while (found.size() < count_max) {
    TRY_ASSIGN(const EpochRow* const row, walk.next());
    if (row == nullptr || row->facts.epoch > last) break;
    if (row->facts.epoch >= first) found.push_back(*row);
  }
  return found;
}

Result<std::optional<SegmentNo>> PageIndex::Reader::base_of(DatabaseNo database,
                                                            Epoch epoch) const {
  TRY_ASSIGN(Cursor cursor, Cursor::open({txn_.get(), tables_->bases}));
  TRY_ASSIGN(const auto item, cursor.not_above(rows::key(database, epoch.get())));
  if (!item) return std::optional<SegmentNo>();
  TRY_ASSIGN(const rows::EpochKey key, rows::parse_epoch_key(item->key));
  if (key.database != database) return std::optional<SegmentNo>();
  ByteCursor in(item->value);
  TRY_ASSIGN(const auto segment, in.take_le<std::uint32_t>());
  return std::optional(SegmentNo(segment));
}

Result<std::vector<RecordPlace>> PageIndex::Reader::records(DatabaseNo database, PageRange pages,
                                                            std::uint64_t base_pages, Epoch after,
                                                            Epoch epoch) const {
  return rows::find_records({txn_.get(), tables_->records}, database, pages, base_pages, after,
                            epoch);
}

Result<std::optional<Epoch>> PageIndex::Reader::next_record(DatabaseNo database, PageNo page,
                                                            Epoch after) const {
  return rows::find_next_record({txn_.get(), tables_->records}, database, page, after);
}

Result<std::optional<Epoch>> PageIndex::Reader::next_base(DatabaseNo database, Epoch epoch) const {
  TRY_ASSIGN(Cursor cursor, Cursor::open({txn_.get(), tables_->bases}));
  TRY_ASSIGN(const auto item, cursor.from(rows::key(database, epoch.get() + 1)));
  if (!item) return std::optional<Epoch>();
  TRY_ASSIGN(const rows::EpochKey key, rows::parse_epoch_key(item->key));
  if (key.database != database) return std::optional<Epoch>();
  return std::optional(key.epoch);
}

Result<std::vector<BlockPlace>> PageIndex::Reader::blocks(DatabaseNo database, SegmentNo full,
                                                          std::uint32_t pages_per_block,
                                                          std::uint64_t image_pages,
                                                          std::uint64_t first,
                                                          std::size_t count) const {
  std::vector<BlockPlace> found;
  found.reserve(count);
  std::uint64_t block = first / rows::kBlocksPerGroup * rows::kBlocksPerGroup;
  while (found.size() < count) {
    const auto group = static_cast<std::uint32_t>(block / rows::kBlocksPerGroup);
    TRY_ASSIGN(const auto value,
               find({txn_.get(), tables_->blocks}, rows::key(database, full, group)));
    if (!value) return Error::corrupt(fmt::format("the full has no block {}", block));
    ByteCursor in(*value);
    TRY_ASSIGN(std::uint64_t offset, in.take_le<std::uint64_t>());
    const std::uint64_t end = block + rows::kBlocksPerGroup;
    for (; block < end && found.size() < count; ++block) {
      const std::uint64_t first_page = block * pages_per_block;
      if (first_page >= image_pages)
        return Error::corrupt(fmt::format("the full has no block {}", block));
      BlockPlace place{offset, 0, {}};
      TRY_ASSIGN(place.stored_bytes, in.take_le<std::uint32_t>());
      const std::uint64_t hashes =
          std::min<std::uint64_t>(pages_per_block, image_pages - first_page);
      TRY_ASSIGN(const ByteView bytes, in.take(hashes * sizeof(std::uint64_t)));
      offset += place.stored_bytes;
      if (block < first) continue;
      place.page_hashes.reserve(hashes);
      for (std::size_t i = 0; i < hashes; ++i)
        place.page_hashes.push_back(load_le<std::uint64_t>(bytes.subspan(i * 8)));
      found.push_back(std::move(place));
    }
  }
  return found;
}

Result<std::optional<ByteView>> PageIndex::Reader::object_facts(std::string_view database,
                                                                std::string_view object,
                                                                std::string_view version) const {
  return find({txn_.get(), tables_->objects}, rows::object_key(database, object, version));
}

Result<std::vector<LogExtent>> PageIndex::Reader::log_extents(DatabaseNo database, SegmentNo base,
                                                              ByteRange bytes,
                                                              std::size_t count_max) const {
  TRY_ASSIGN(Cursor cursor, Cursor::open({txn_.get(), tables_->extents}));
  TRY_ASSIGN(auto item, cursor.not_above(rows::key(database, base, bytes.begin)));
  std::vector<LogExtent> found;
  while (item && found.size() < count_max) {
    TRY_ASSIGN(const rows::ExtentKey key, rows::parse_extent_key(item->key));
    if (key.database != database || key.base != base) break;
    TRY_ASSIGN(const LogExtent extent, rows::parse_extent(key, item->value));
    if (extent.begin >= bytes.begin + bytes.size) break;
    if (extent.begin + extent.range.size > bytes.begin) found.push_back(extent);
    TRY_ASSIGN(item, cursor.move(MDB_NEXT));
  }
  return found;
}

struct PageIndex::Writer::Gathered {
  rows::EpochIntake epochs;
  rows::RecordIntake records;
};

PageIndex::Writer::Writer(Reader reader)
    : reader_(std::move(reader)), gathered_(std::make_unique<Gathered>()) {}
PageIndex::Writer::Writer(Writer&&) noexcept = default;
PageIndex::Writer& PageIndex::Writer::operator=(Writer&&) noexcept = default;
PageIndex::Writer::~Writer() = default;

Result<DatabaseNo> PageIndex::Writer::begin_database(std::string_view name) {
  MDB_txn* txn = reader_.txn_.get();
  const Tables& tables = *reader_.tables_;
  TRY_ASSIGN(const std::optional<DatabaseRow> old, reader_.database(name));
  if (old) {
    const Bytes prefix = rows::key_prefix(old->number);
    for (const MDB_dbi table : {tables.segments, tables.bases, tables.epochs, tables.records,
                                tables.blocks, tables.extents})
      TRY(lmdb::erase_from({txn, table}, prefix, prefix));
  }
  TRY_ASSIGN(const auto stored, find({txn, tables.meta}, as_bytes(kNextNumberKey)));
  const std::uint32_t number = stored && stored->size() == 4 ? load_le<std::uint32_t>(*stored) : 1;
  std::array<std::byte, 4> next{};
  store_le(MutableByteView(next), number + 1);
  TRY(put({txn, tables.meta}, as_bytes(kNextNumberKey), next));
  return DatabaseNo(number);
}

Result<void> PageIndex::Writer::put_database(std::string_view name, const DatabaseRow& row) {
  return put({reader_.txn_.get(), reader_.tables_->databases}, as_bytes(name), rows::encode(row));
}

Result<void> PageIndex::Writer::put_segment(DatabaseNo database, SegmentNo segment,
                                            const SegmentRow& row) {
  return put({reader_.txn_.get(), reader_.tables_->segments}, rows::key(database, segment),
             rows::encode(row));
}

Result<void> PageIndex::Writer::put_base(DatabaseNo database, Epoch end_epoch, SegmentNo segment,
                                         std::uint64_t pages) {
  gathered_->records.expect_groups_of(database, pages);
  std::array<std::byte, 4> value{};
  store_le(MutableByteView(value), segment.get());
  return put({reader_.txn_.get(), reader_.tables_->bases}, rows::key(database, end_epoch.get()),
             value);
}

Result<void> PageIndex::Writer::put_epoch(DatabaseNo database, const EpochRow& row) {
  return gathered_->epochs.add({reader_.txn_.get(), reader_.tables_->epochs}, database, row);
}

Result<void> PageIndex::Writer::end_epochs() {
  return gathered_->epochs.flush({reader_.txn_.get(), reader_.tables_->epochs});
}

Result<void> PageIndex::Writer::put_log_extent(DatabaseNo database, SegmentNo base,
                                               const LogExtent& extent) {
  return put({reader_.txn_.get(), reader_.tables_->extents},
             rows::key(database, base, extent.begin), rows::encode(extent));
}

Result<void> PageIndex::Writer::put_object(std::string_view database, std::string_view object,
                                           std::string_view version, ByteView facts) {
  return put({reader_.txn_.get(), reader_.tables_->objects},
             rows::object_key(database, object, version), facts);
}

Result<void> PageIndex::Writer::keep_objects(std::string_view database,
                                             const std::vector<ObjectName>& objects) {
  std::set<Bytes> kept;
  for (const ObjectName& name : objects)
    kept.insert(rows::object_key(database, name.object, name.version));
  const Bytes prefix = rows::object_prefix(database);
  TRY_ASSIGN(Cursor cursor, Cursor::open({reader_.txn_.get(), reader_.tables_->objects}));
  TRY_ASSIGN(std::optional<Item> item, cursor.from(prefix));
  while (item && lmdb::starts_with(item->key, prefix)) {
    const Bytes key(item->key.begin(), item->key.end());
    if (!kept.contains(key)) TRY(cursor.erase());
    TRY_ASSIGN(item, cursor.from(key));
    if (item && std::ranges::equal(item->key, key)) {
      TRY_ASSIGN(item, cursor.move(MDB_NEXT));
    }
  }
  return {};
}

Result<void> PageIndex::Writer::put_record(DatabaseNo database, SegmentNo segment,
                                           std::uint64_t offset, const native::RecordRow& row) {
  return gathered_->records.add({reader_.txn_.get(), reader_.tables_->records}, database, segment,
                                offset, row);
}

Result<void> PageIndex::Writer::put_block(DatabaseNo database, SegmentNo segment,
                                          std::uint64_t offset, const native::BlockRow& row) {
  rows::append_block(block_group_, offset, row);
  if (++blocks_in_group_ == rows::kBlocksPerGroup) TRY(flush_blocks(database, segment));
  return {};
}

Result<void> PageIndex::Writer::end_blocks(DatabaseNo database, SegmentNo segment) {
  if (blocks_in_group_ > 0) TRY(flush_blocks(database, segment));
  next_group_ = 0;
  return {};
}

Result<void> PageIndex::Writer::flush_blocks(DatabaseNo database, SegmentNo segment) {
  TRY(put({reader_.txn_.get(), reader_.tables_->blocks}, rows::key(database, segment, next_group_),
          block_group_.view()));
  block_group_.clear();
  blocks_in_group_ = 0;
  ++next_group_;
  return {};
}

Result<void> PageIndex::Writer::commit() && {
  TRY(end_epochs());
  TRY(gathered_->records.flush({reader_.txn_.get(), reader_.tables_->records}));
  // LMDB frees the transaction even when the commit fails, so let go of it first.
  const LmdbCall call(reader_.tables_->file.c_str());
  if (const int code = mdb_txn_commit(reader_.txn_.release()); code != 0)
    return lmdb::failure(code, fmt::format("commit to {}", reader_.tables_->file));
  return {};
}

}  // namespace epochfs::engine
