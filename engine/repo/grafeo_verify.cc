#include "engine/repo/grafeo_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/repo/grafeo_database.h"
#include "engine/source/history.h"
#include "engine/source/object_pass.h"

namespace epochfs::engine {
namespace {

// The epochs that rest on a full.
struct Served {
  Epoch first;
  Epoch last;
};

std::uint64_t bytes_of(const grafeo::Manifest& manifest, bool quick) {
  std::uint64_t sum = 0;
  for (const grafeo::SegmentEntry& entry : manifest.segments)
    if (!quick || entry.kind == grafeo::SegmentKind::kIncremental) sum += entry.size_bytes;
  return sum;
}

class GrafeoVerifier {
 public:
  GrafeoVerifier(const GrafeoParts& parts, GrafeoPlace place, bool quick, const Progress& progress,
                 VerifyReport& report)
      : parts_(parts),
        place_(std::move(place)),
        quick_(quick),
        progress_(progress),
        report_(report) {}

  Result<void> run() {
    ++report_.databases;
    auto taken = with_newest_manifest([&] { return take_in(); });
    if (!taken && !is_damage(taken.error())) return taken;
    if (!taken) {
      add_damage(std::string(place_.manifest_file()), taken.error().text, {}, {});
      return {};
    }
    total_bytes_ = bytes_of(manifest_, quick_);
    report_.segments += manifest_.segments.size();
    report_.epochs += row_.epoch_count;
    advance(bytes_of(manifest_, true));
    for (const IndexProblem& problem : row_.problems) {
      const bool costs = problem.first_lost.get() != 0;
      add_damage(problem.object, problem.text,
                 costs ? std::optional(problem.first_lost) : std::nullopt,
                 costs ? std::optional(problem.last_lost) : std::nullopt);
    }
    TRY(note_strangers());
    TRY(note_gaps());
    return quick_ ? Result<void>() : check_fulls();
  }

 private:
  // Reads every incremental, whole.
  Result<void> take_in() {
    TRY_ASSIGN(StoredGrafeoManifest stored, load_grafeo_manifest(*parts_.storage, place_));
    manifest_ = std::move(stored.manifest);
    TRY_ASSIGN(row_, take_in_grafeo(*parts_.index, *parts_.storage, place_, manifest_,
                                    stored.version, true));
    return {};
  }

  void add_damage(const std::string& object, const std::string& text, std::optional<Epoch> first,
                  std::optional<Epoch> last) {
    report_.damage.push_back(Damage{place_.database, object, text, first, last, false});
  }

  // Objects that the manifest does not name: harmless, but worth a word.
  Result<void> note_strangers() {
    TRY_ASSIGN(const Listing listing, parts_.storage->list(place_.directory));
    std::set<std::string> known = {std::string(place_.manifest_file())};
    for (const grafeo::SegmentEntry& entry : manifest_.segments) known.insert(entry.filename);
    for (const ObjectInfo& object : listing.objects) {
      if (!known.contains(object.name))
        report_.warnings.push_back(
            fmt::format("{} belongs to no backup (left by one that was interrupted?)",
                        printable(place_.object(object.name))));
    }
    return {};
  }

  Result<void> note_gaps() {
    const IndexedTimeline timeline(parts_.index, row_, std::nullopt);
    for (const grafeo::SegmentEntry& entry : manifest_.segments) {
      TRY_ASSIGN(const auto gap, gap_before(timeline, entry));
      if (gap) report_.warnings.push_back(*gap);
    }
    return {};
  }

  Result<void> check_fulls() {
    TRY_ASSIGN(const auto served, epochs_by_full());
    for (std::uint32_t i = 0; i < manifest_.segments.size(); ++i) {
      const grafeo::SegmentEntry& entry = manifest_.segments[i];
      if (entry.kind != grafeo::SegmentKind::kFull || !entry.problem.empty()) continue;
      const auto name = object_name(entry);
      if (!name || !check_object_name(*name)) continue;  // a problem already
      auto checked = check_full(*name, entry);
      if (checked) continue;
      if (!is_damage(checked.error())) return checked;
      const auto cost = served.find(SegmentNo(i));
      if (cost != served.end())
        add_damage(entry.filename, checked.error().text, cost->second.first, cost->second.last);
      else if (!is_told(entry.filename))  // what kept it from being used at all has been told
        add_damage(entry.filename, checked.error().text, {}, {});
    }
    return {};
  }

  [[nodiscard]] bool is_told(const std::string& object) const {
    return std::ranges::find(row_.problems, object, &IndexProblem::object) != row_.problems.end();
  }

  Result<void> check_full(const std::string& name, const grafeo::SegmentEntry& entry) {
    TRY_ASSIGN(const auto blob, parts_.storage->open(place_.object(name)));
    ObjectPass pass(blob);
    while (pass.left() > 0) {
      TRY_ASSIGN(const ByteView bytes, pass.next(ObjectPass::kPieceBytes));
      advance(bytes.size());
    }
    TRY_ASSIGN(const std::uint32_t crc, pass.finish());
    if (crc != entry.crc32)
      return Error::corrupt(
          fmt::format("its CRC is {:08x}, the manifest says {:08x}", crc, entry.crc32));
    return check_image(*blob);
  }

  // The sums that the image has for itself: it may have been damaged before it was backed up.
  Result<void> check_image(const Blob& blob) {
    Bytes start(std::min<std::uint64_t>(blob.size_bytes(), grafeo::kImageHeaderSize));
    TRY(blob.read(0, start));
    TRY_ASSIGN(const grafeo::ImageHeader header, grafeo::parse_image_header(start));
    if (!header.payload) return {};
    TRY(check_payload(blob, *header.payload));
    if (header.container != 2) return {};
    Bytes directory(grafeo::kImagePageSize);
    TRY(blob.read(header.payload->range.begin, directory));
    TRY_ASSIGN(const auto sections, grafeo::parse_section_directory(directory));
    for (const grafeo::PayloadCheck& section : sections) TRY(check_payload(blob, section));
    return {};
  }

  static Result<void> check_payload(const Blob& blob, const grafeo::PayloadCheck& check) {
    TRY(check_inside(blob.size_bytes(), check.range.begin, check.range.size, "its data"));
    Crc32 crc;
    Bytes buffer;
    for (std::uint64_t done = 0; done < check.range.size; done += buffer.size()) {
      buffer.resize(std::min<std::uint64_t>(ObjectPass::kPieceBytes, check.range.size - done));
      TRY(blob.read(check.range.begin + done, buffer));
      crc.update(buffer);
    }
    if (crc.value() == check.crc32) return {};
    return Error::corrupt(
        fmt::format("was damaged when it was backed up: the {} bytes at {} have "
                    "another CRC than the image says",
                    check.range.size, check.range.begin));
  }

  Result<std::map<SegmentNo, Served>> epochs_by_full() const {
    constexpr std::size_t kEpochsAtOnce = 4096;
    std::map<SegmentNo, Served> served;
    TRY_ASSIGN(const PageIndex::Reader reader, parts_.index->read());
    Epoch next;
    for (;;) {
      TRY_ASSIGN(const auto epochs, reader.epochs(row_.number, next, kEpochMax, kEpochsAtOnce));
      for (const EpochRow& epoch : epochs) {
        const auto [place, is_new] =
            served.try_emplace(epoch.base, Served{epoch.facts.epoch, epoch.facts.epoch});
        place->second.last = epoch.facts.epoch;
        next = Epoch(epoch.facts.epoch.get() + 1);
      }
      if (epochs.size() < kEpochsAtOnce) return served;
    }
  }

  void advance(std::uint64_t bytes) {
    report_.bytes_checked += bytes;
    done_bytes_ += bytes;
    if (progress_) progress_(done_bytes_, total_bytes_);
  }

  const GrafeoParts& parts_;
  GrafeoPlace place_;
  bool quick_;
  const Progress& progress_;
  VerifyReport& report_;
  grafeo::Manifest manifest_;
  DatabaseRow row_;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace

Result<VerifyReport> verify_grafeo(const RepositoryOptions& scratch, const std::string& database,
                                   bool quick, const Progress& progress) {
  TRY_ASSIGN(const auto repository, GrafeoRepository::open(scratch, PageIndex::Kind::kScratch));
  TRY_ASSIGN(std::vector<GrafeoPlace> places, repository->places());
  if (!database.empty()) {
    std::erase_if(places, [&](const GrafeoPlace& place) { return place.database != database; });
    if (places.empty())
      return Error::not_found(
          fmt::format("{} holds no database {}", repository->location(), printable(database)));
  }
  VerifyReport report;
  for (GrafeoPlace& place : places)
    TRY(verify_grafeo_place(repository->parts(), std::move(place), quick, progress, report));
  return report;
}

Result<void> verify_grafeo_place(const GrafeoParts& parts, GrafeoPlace place, bool quick,
                                 const Progress& progress, VerifyReport& report) {
  return GrafeoVerifier(parts, std::move(place), quick, progress, report).run();
}

}  // namespace epochfs::engine
