// verify(): everything that a repository says of itself, checked against its bytes.
//
// The index for it is built anew in a directory of its own, so that nothing an earlier command
// remembered can vouch for bytes that have gone bad since.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/core/ordered_pipeline.h"
#include "engine/core/text.h"
#include "engine/repo/epoch_states.h"
#include "engine/repo/grafeo_verify.h"
#include "engine/repo/native_database.h"
#include "engine/repo/operations.h"
#include "engine/repo/packed_verify.h"
#include "engine/repo/zlayer_database.h"
#include "engine/segment/codec.h"
#include "engine/segment/segment_reader.h"
#include "engine/source/ahead_blob.h"
#include "engine/source/history.h"
#include "engine/source/native_indexer.h"
#include "engine/storage/temporary_directory.h"

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kReadBytes = 1024 * 1024;
constexpr std::uint64_t kCacheBytes = 64ULL * 1024 * 1024;

class DatabaseVerifier {
 public:
  DatabaseVerifier(const NativeParts& parts, std::string database, bool quick,
                   const Progress& progress, VerifyReport& report)
      : parts_(parts),
        database_(std::move(database)),
        quick_(quick),
        progress_(progress),
        report_(report) {}

  Result<void> run() {
    auto stored = load_manifest(*parts_.storage, database_);
    if (stored && stored->manifest.engine == native::Engine::kGrafeo)
      return verify_packed(parts_, stored->manifest, quick_, progress_, report_);
    ++report_.databases;
    if (!stored) {
      if (!is_damage(stored.error())) return tl::unexpected(std::move(stored).error());
      report_.damage.push_back(
          Damage{database_, std::string(native::kManifestFile), stored.error().text, {}, {}, true});
      return {};
    }
    manifest_ = std::move(stored->manifest);
    TRY_ASSIGN(row_,
               bring_up_to_date(*parts_.index, *parts_.storage, manifest_, stored->version, true));
    source_ = std::make_unique<NativeSource>(parts_.storage, parts_.index, parts_.cache,
                                             parts_.open_segments, database_);
    for (const IndexProblem& problem : row_.problems) {
      unusable_.insert(problem.object);
      if (problem.first_lost.get() == 0)
        add_damage(problem.object, problem.text, {}, {});
      else
        add_damage(problem.object, problem.text, problem.first_lost, problem.last_lost);
    }
    report_.segments += manifest_.segments.size();
    if (quick_) report_.epochs += row_.epoch_count;
    TRY(note_strangers());
    if (quick_) return {};
    for (const native::SegmentEntry& entry : manifest_.segments) total_bytes_ += entry.size_bytes;
    for (const native::SegmentEntry& entry : manifest_.segments) TRY(check_segment(entry));
    return {};
  }

 private:
  static bool is_damage(const Error& error) {
    return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
           error.code == Code::kNotFound || error.code == Code::kNoSuchEpoch ||
           is_bad_medium(error);
  }

  void add_damage(const std::string& object, const std::string& text, std::optional<Epoch> first,
                  std::optional<Epoch> last) {
    report_.damage.push_back(Damage{database_, object, text, first, last, false});
  }

  // Objects that the manifest does not name: harmless, but worth a word.
  Result<void> note_strangers() {
    TRY_ASSIGN(const Listing listing, parts_.storage->list(database_));
    std::set<std::string> known = {std::string(native::kManifestFile),
                                   std::string(native::kCursorFile)};
    for (const native::SegmentEntry& entry : manifest_.segments) known.insert(entry.filename);
    for (const ObjectInfo& object : listing.objects) {
      if (!known.contains(object.name))
        report_.warnings.push_back(
            fmt::format("{}/{} belongs to no backup (left by one that was interrupted?)", database_,
                        printable(object.name)));
    }
    return {};
  }

  Result<void> check_segment(const native::SegmentEntry& entry) {
    if (!entry.problem.empty() || unusable_.contains(entry.filename)) {
      advance(entry.size_bytes);
      return {};
    }
    const std::size_t damage_before = report_.damage.size();
    auto checked = check_readable_segment(entry, damage_before);
    if (!checked && !is_damage(checked.error())) return checked;
    if (!checked && report_.damage.size() == damage_before)
      add_damage(entry.filename, checked.error().text, first_of(entry), last_under(entry));
    return {};
  }

  Result<void> check_readable_segment(const native::SegmentEntry& entry,
                                      std::size_t damage_before) {
    TRY_ASSIGN(auto blob, parts_.storage->open(fmt::format("{}/{}", database_, entry.filename)));
    if (parts_.storage->is_remote()) blob = std::make_shared<const AheadBlob>(std::move(blob));
    TRY_ASSIGN(const bool same_sums, sums_agree(*blob, entry));
    TRY_ASSIGN(const SegmentReader reader, SegmentReader::open(blob, &entry.tables_sha256));
    TRY(entry.kind == native::SegmentKind::kFull ? check_blocks(reader, entry)
                                                 : check_records(reader, entry));
    if (!same_sums && report_.damage.size() == damage_before)
      add_damage(entry.filename,
                 "its SHA-256 is not the manifest's, in bytes that hold no page: every page in it "
                 "is still right",
                 {}, {});
    if (report_.damage.size() > damage_before) return {};
    return check_states(reader, entry);
  }

  Result<bool> sums_agree(const Blob& blob, const native::SegmentEntry& entry) {
    Sha256 sha;
    Crc32 crc;
    Bytes buffer(kReadBytes);
    for (std::uint64_t at = 0; at < blob.size_bytes(); at += kReadBytes) {
      const MutableByteView part(buffer.data(),
                                 std::min<std::uint64_t>(kReadBytes, blob.size_bytes() - at));
      TRY(blob.read(at, part));
      sha.update(part);
      crc.update(part);
      advance(part.size());
    }
    return sha.finish() == entry.sha256 && crc.value() == entry.checksum;
  }

  struct Unit {
    std::uint64_t offset = 0;
    std::uint32_t stored_bytes = 0;
    PageNo page;                             // of a record; of a block the first
    std::uint32_t plain_bytes = 0;           // of a block
    std::vector<std::uint64_t> page_hashes;  // of a block
    std::vector<Epoch> epochs;               // of a record
    Epoch first_lost;                        // of a record, when it is damaged
    std::optional<std::string> damage;
  };

  Result<void> check_blocks(const SegmentReader& reader, const native::SegmentEntry& entry) {
    TRY_ASSIGN(const PageSize page_size, PageSize::from(reader.footer().page_size));
    const native::Footer& footer = reader.footer();
    const auto decode = [&](Unit&& unit) -> Result<Unit> {
      Bytes stored(unit.stored_bytes);
      TRY(reader.blob().read(unit.offset, stored));
      const auto decoded = decode_block(stored, unit.plain_bytes, page_size, unit.page_hashes);
      if (!decoded) unit.damage = decoded.error().text;
      return std::move(unit);
    };
    const auto note = [&](Unit&& unit) -> Result<void> {
      if (unit.damage)
        add_damage(entry.filename,
                   fmt::format("{}, at byte {}: {}",
                               range_text("page", unit.page.get(),
                                          unit.page.get() + unit.page_hashes.size() - 1),
                               unit.offset, *unit.damage),
                   entry.end_epoch, last_under(entry));
      return {};
    };
    OrderedPipeline<Unit, Unit> pipeline(parts_.ahead.readers,
                                         4 * thread_count(parts_.ahead.readers), decode, note);
    std::uint64_t at = 0;
    TRY(reader.visit_blocks([&](std::uint64_t offset, const native::BlockRow& row) {
      Unit unit;
      unit.offset = offset;
      unit.stored_bytes = row.stored_bytes;
      unit.page = page_size.page_at(at);
      unit.plain_bytes = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(footer.block_size, footer.image_bytes - at));
      unit.page_hashes = row.page_hashes;
      at += unit.plain_bytes;
      return pipeline.push(std::move(unit));
    }));
    return pipeline.finish();
  }

  Result<void> check_records(const SegmentReader& reader, const native::SegmentEntry& entry) {
    TRY_ASSIGN(const PageSize page_size, PageSize::from(reader.footer().page_size));
    // The epoch before the segment rests on the same full as the segment; its own last one may have
    // a full to itself.
    TRY_ASSIGN(const EpochContext at,
               source_->context(row_.number, Epoch(entry.start_epoch.get() - 1)));
    const auto decode = [&](Unit&& unit) -> Result<Unit> {
      Bytes stored(unit.stored_bytes);
      TRY(reader.blob().read(unit.offset, stored));
      const auto base = source_->base_page(at, unit.page);
      if (!base) {
        if (!is_damage(base.error())) return tl::unexpected(base.error());
        return std::move(unit);  // the base's own check has named it and all that it costs
      }
      const auto decoded = decode_record(stored, unit.page, page_size, base->bytes);
      if (!decoded) {
        unit.damage = decoded.error().text;
      } else if (decoded->epochs != unit.epochs) {
        unit.damage = "holds other epochs than the table says";
        // Whoever believes the table misses what the record has before them.
        const Epoch earliest = std::min(unit.first_lost, decoded->epochs.front());
        unit.first_lost = std::max(entry.start_epoch, earliest);
      }
      return std::move(unit);
    };
    const auto note = [&](Unit&& unit) -> Result<void> {
      if (!unit.damage) return {};
      TRY_ASSIGN(const Epoch last, last_reading(unit.page, unit.epochs.back(), entry));
      add_damage(entry.filename,
                 fmt::format("page {}, at byte {}: {}", unit.page.get(), unit.offset, *unit.damage),
                 unit.first_lost, last);
      return {};
    };
    OrderedPipeline<Unit, Unit> pipeline(parts_.ahead.readers,
                                         16 * thread_count(parts_.ahead.readers), decode, note);
    TRY(reader.visit_records([&](std::uint64_t offset, const native::RecordRow& row) {
      Unit unit;
      unit.offset = offset;
      unit.stored_bytes = row.stored_bytes;
      unit.page = row.page;
      unit.epochs = row.epochs;
      unit.first_lost = row.epochs.front();
      return pipeline.push(std::move(unit));
    }));
    return pipeline.finish();
  }

  // Recomputes the state hash of every epoch that the segment brought.
  Result<void> check_states(const SegmentReader& reader, const native::SegmentEntry& entry) {
    std::vector<native::EpochFacts> facts;
    std::vector<std::uint64_t> sizes;
    TRY(reader.visit_epochs([&](const native::EpochFacts& row) -> Result<void> {
      facts.push_back(row);
      sizes.push_back(row.size_bytes);
      return {};
    }));
    TRY_ASSIGN(const PageSize page_size, PageSize::from(reader.footer().page_size));
    TRY_ASSIGN(const std::vector<StateHash> states,
               entry.kind == native::SegmentKind::kFull
                   ? states_of_full(reader)
                   : states_of_incremental(reader, entry, page_size, sizes));
    for (std::size_t i = 0; i < facts.size(); ++i) {
      // A full may repeat the epoch that the incremental before it ended with.
      if (facts[i].epoch > newest_counted_) ++report_.epochs;
      newest_counted_ = std::max(newest_counted_, facts[i].epoch);
      computed_.emplace(facts[i].epoch, states[i]);
      if (states[i] != facts[i].state)
        add_damage(entry.filename,
                   fmt::format("epoch {} adds up to state {}, but is listed with {}",
                               facts[i].epoch.get(), states[i].hex(), facts[i].state.hex()),
                   facts[i].epoch, facts[i].epoch);
    }
    return {};
  }

  static Result<std::vector<StateHash>> states_of_full(const SegmentReader& reader) {
    StateHash state;
    state.add_size(reader.footer().image_bytes);
    std::uint32_t page = 0;
    TRY(reader.visit_blocks([&](std::uint64_t, const native::BlockRow& row) -> Result<void> {
      for (const std::uint64_t hash : row.page_hashes) state.add(PageNo(++page), hash);
      return {};
    }));
    return std::vector<StateHash>{state};
  }

  Result<std::vector<StateHash>> states_of_incremental(const SegmentReader& reader,
                                                       const native::SegmentEntry& entry,
                                                       PageSize page_size,
                                                       const std::vector<std::uint64_t>& sizes) {
    TRY_ASSIGN(const EpochContext before,
               source_->context(row_.number, Epoch(entry.start_epoch.get() - 1)));
    // What the pages add up to, not what is listed: else one wrong sum hides itself in all later.
    const bool computed = computed_ && computed_->first == before.facts.epoch;
    EpochStates states(page_size, before.facts.size_bytes,
                       computed ? computed_->second : before.facts.state, sizes,
                       [&](PageRange pages) { return source_->page_hashes(before, pages); });
    TRY(reader.visit_records([&](std::uint64_t offset,
                                 const native::RecordRow& row) -> Result<void> {
      Bytes stored(row.stored_bytes);
      TRY(reader.blob().read(offset, stored));
      TRY_ASSIGN(const auto parsed, native::parse_record_header(stored));
      // Not compared before where the record's base cannot be read.
      if (parsed.header.epochs != row.epochs)
        return Error::corrupt(fmt::format(
            "page {}, at byte {}: holds other epochs than the table says", row.page.get(), offset));
      for (std::size_t i = 0; i < row.epochs.size(); ++i) {
        const std::uint64_t ordinal = row.epochs[i].get() - entry.start_epoch.get();
        TRY(states.version(row.page, static_cast<std::uint32_t>(ordinal), parsed.header.hashes[i]));
      }
      return {};
    }));
    return states.finish();
  }

  static Epoch first_of(const native::SegmentEntry& entry) {
    return entry.kind == native::SegmentKind::kFull ? entry.end_epoch : entry.start_epoch;
  }

  // The last epoch that rests on the same full as this segment, or on this full.
  Epoch last_under(const native::SegmentEntry& entry) const {
    const bool is_full = entry.kind == native::SegmentKind::kFull;
    const Epoch from = is_full ? entry.end_epoch : Epoch(entry.start_epoch.get() - 1);
    const auto reader = parts_.index->read();
    const auto next = reader ? reader->next_base(row_.number, from)
                             : Result<std::optional<Epoch>>(std::optional<Epoch>());
    return next && *next ? Epoch((*next)->get() - 1) : std::max(row_.newest, entry.end_epoch);
  }

  // The last epoch that reads the page out of the record whose newest version is of `newest`.
  Result<Epoch> last_reading(PageNo page, Epoch newest, const native::SegmentEntry& entry) const {
    TRY_ASSIGN(const PageIndex::Reader reader, parts_.index->read());
    TRY_ASSIGN(const auto next, reader.next_record(row_.number, page, newest));
    const Epoch last = last_under(entry);
    return next ? std::min(Epoch(next->get() - 1), last) : last;
  }

  void advance(std::uint64_t bytes) {
    report_.bytes_checked += bytes;
    done_bytes_ += bytes;
    if (progress_) progress_(done_bytes_, total_bytes_);
  }

  const NativeParts& parts_;
  std::string database_;
  bool quick_;
  const Progress& progress_;
  VerifyReport& report_;
  native::Manifest manifest_;
  DatabaseRow row_;
  std::unique_ptr<NativeSource> source_;
  std::set<std::string> unusable_;
  Epoch newest_counted_;
  std::optional<std::pair<Epoch, StateHash>> computed_;  // of the epoch that was summed up last
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace

Result<VerifyReport> verify(const std::string& location, const std::string& database, bool quick,
                            const Progress& progress) {
  TRY_ASSIGN(const TemporaryDirectory scratch, TemporaryDirectory::create(temporary_parent()));
  const RepositoryOptions options{location, scratch.path() + "/cache", kCacheBytes};
  auto opened = NativeRepository::open(options, PageIndex::Kind::kScratch);
  if (!opened && opened.error().code == Code::kNoRepository) {
    auto report = verify_grafeo(options, database, quick, progress);
    if (report || report.error().code != Code::kNoRepository) return report;
    report = verify_zlayer(options, database, quick, progress);
    if (report || report.error().code != Code::kNoRepository) return report;
  }
  TRY_ASSIGN(const auto repository, std::move(opened));
  TRY_ASSIGN(std::vector<std::string> names, repository->databases());
  if (!database.empty()) {
    if (std::ranges::find(names, database) == names.end())
      return Error::not_found(
          fmt::format("{} holds no database {}", repository->location(), printable(database)));
    names = {database};
  }
  VerifyReport report;
  for (const std::string& name : names)
    TRY(DatabaseVerifier(repository->parts(), name, quick, progress, report).run());
  return report;
}

}  // namespace epochfs::engine
