#include "engine/source/zlayer_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "engine/core/hash.h"
#include "engine/core/text.h"
#include "engine/formats/zlayer/facts.h"

namespace epochfs::engine {
namespace {

// The facts of an object that the index held when the epoch was opened.
Result<zlayer::Facts> facts_of(const PageIndex::Reader& reader, const ZlayerPlace& place,
                               const SegmentRow& object) {
  TRY_ASSIGN(const auto bytes,
             reader.object_facts(place.database, object.filename, object.version));
  if (!bytes)
    return Error::corrupt(printable(object.filename) + " was removed or replaced meanwhile");
  return zlayer::parse_facts(*bytes);
}

template <class Kind>
Result<Kind> facts_as(const PageIndex::Reader& reader, const ZlayerPlace& place,
                      const SegmentRow& object) {
  TRY_ASSIGN(const zlayer::Facts facts, facts_of(reader, place, object));
  const Kind* found = std::get_if<Kind>(&facts.of);
  if (found == nullptr || found->page_size() != object.page_size)
    return Error::corrupt(printable(object.filename) + ": the index has it as something else");
  return *found;
}

}  // namespace

ZlayerSource::ZlayerSource(std::shared_ptr<PageIndex> index,
                           std::shared_ptr<DecompressedObjects> objects, ZlayerPlace place)
    : index_(std::move(index)), objects_(std::move(objects)), place_(std::move(place)) {}

Result<ZlayerContext> ZlayerSource::context(DatabaseNo database, Epoch epoch) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto row, reader.epoch(database, epoch));
  if (!row)
    return Error::no_such_epoch(fmt::format("{} has no epoch {}", place_.database, epoch.get()));
  ZlayerContext at;
  at.facts = row->facts;
  TRY_ASSIGN(at.base, reader.segment(database, row->base));
  for (const LogLayer& layer : row->layers) {
    TRY_ASSIGN(SegmentRow log, reader.segment(database, layer.segment));
    if (log.page_size != at.base.page_size)
      return Error::corrupt(fmt::format("epoch {} has an impossible shape", epoch.get()));
    at.layers.push_back({std::move(log), layer.frame, layer.pages});
  }
  if (at.facts.size_bytes % at.page_size().bytes() != 0 ||
      at.page_size().pages_in(at.facts.size_bytes) > kPageCountMax)
    return Error::corrupt(fmt::format("epoch {} has an impossible size", epoch.get()));
  return at;
}

Result<std::vector<ZlayerSource::Run>> ZlayerSource::lay_out(const ZlayerContext& at,
                                                             PageRange pages) const {
  const PageSize page_size = at.page_size();
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto base, facts_as<zlayer::SnapshotFacts>(reader, place_, at.base));
  std::vector<zlayer::WalFacts> logs;
  for (const ZlayerContext::Layer& layer : at.layers) {
    TRY_ASSIGN(const auto log, facts_as<zlayer::WalFacts>(reader, place_, layer.log));
    if (layer.frame > log.frame_count())
      return Error::corrupt(printable(layer.log.filename) + ": the index has less of it");
    logs.push_back(log);
  }
  const std::uint64_t zeros = page_hash(Bytes(page_size.bytes()));

  std::vector<Run> runs;
  const auto append = [&](const SegmentRow* object, std::uint64_t epoch_bytes, std::uint64_t offset,
                          std::uint64_t hash) {
    const bool goes_on =
        !runs.empty() && runs.back().object == object &&
        (object == nullptr ||
         runs.back().offset + runs.back().hashes.size() * page_size.bytes() == offset);
    if (!goes_on) runs.push_back({object, epoch_bytes, offset, {}});
    runs.back().hashes.push_back(hash);
  };
  const auto find = [&](PageNo page) -> Result<void> {
    for (std::size_t i = at.layers.size(); i-- > 0;) {
      const ZlayerContext::Layer& layer = at.layers[i];
      if (const auto frame = logs[i].newest(page, layer.frame)) {
        append(&layer.log, sqlite::wal_frame_offset(layer.frame + 1, page_size),
               sqlite::wal_frame_offset(*frame, page_size) + sqlite::kWalFrameHeaderSize,
               logs[i].frame(*frame).hash);
        return {};
      }
      // The state below ended before the page: what lies there behind its end is gone.
      if (i > 0 && page.get() > at.layers[i - 1].pages) {
        append(nullptr, 0, 0, zeros);
        return {};
      }
    }
    if (const auto hash = base.hash(page)) {
      append(&at.base, at.base.image_bytes, page_size.offset_of(page), *hash);
      return {};
    }
    // Nobody ever writes the page of the locks; and where the log before may not be whole, nothing
    // says what a page was that is in none.
    if (page != sqlite::lock_byte_page(page_size) && at.facts.basis != native::Basis::kUnproven)
      return Error::corrupt(fmt::format("page {}: no version of it is stored", page.get()));
    append(nullptr, 0, 0, zeros);
    return {};
  };
  for (std::uint64_t page = pages.first.get(); page <= pages.last.get(); ++page)
    TRY(find(page_no(page)));
  return runs;
}

Result<void> ZlayerSource::read_run(const Run& run, PageSize page_size, MutableByteView out) const {
  if (run.object == nullptr) {
    std::ranges::fill(out, std::byte{0});
    return {};
  }
  const DecompressedObjects::Object object{place_.object(run.object->filename), run.object->version,
                                           run.object->image_bytes, run.epoch_bytes};
  const auto is_right = [&] {
    for (std::size_t i = 0; i < run.hashes.size(); ++i) {
      if (page_hash(out.subspan(i * page_size.bytes(), page_size.bytes())) != run.hashes[i])
        return false;
    }
    return true;
  };
  // Once more, from the object itself, where what was decompressed of it has gone bad.
  for (int tries = 0; tries < 2; ++tries) {
    TRY_ASSIGN(const auto blob, objects_->open(object));
    if (blob->read(run.offset, out) && is_right()) return {};
    objects_->discard(object);
  }
  return Error::corrupt(fmt::format("{} at byte {} of it decompressed: not what was indexed",
                                    printable(run.object->filename), run.offset));
}

Result<void> ZlayerSource::read_pages(const ZlayerContext& at, PageNo first, MutableByteView out,
                                      std::vector<std::uint64_t>& hashes) const {
  hashes.clear();
  const std::size_t page_bytes = at.page_size().bytes();
  const std::uint64_t count = out.size() / page_bytes;
  if (count == 0) return {};
  TRY_ASSIGN(const std::vector<Run> runs, lay_out(at, {first, page_no(first.get() + count - 1)}));
  for (const Run& run : runs) {
    const std::size_t size = run.hashes.size() * page_bytes;
    TRY(with_context(read_run(run, at.page_size(), out.first(size)),
                     [&] { return fmt::format("page {}", first.get() + hashes.size()); }));
    out = out.subspan(size);
    hashes.insert(hashes.end(), run.hashes.begin(), run.hashes.end());
  }
  return {};
}

Result<Pieces> ZlayerSource::read(const ZlayerContext& at, ByteRange range) const {
  if (range.size == 0) return Pieces();
  assert(range.begin + range.size <= at.facts.size_bytes);
  const PageSize page_size = at.page_size();
  const PageNo first = page_size.page_at(range.begin);
  const PageNo last = page_size.page_at(range.begin + range.size - 1);
  const auto pages =
      std::make_shared<Bytes>((std::size_t{last.get()} - first.get() + 1) * page_size.bytes());
  std::vector<std::uint64_t> hashes;
  TRY(read_pages(at, first, *pages, hashes));
  const ByteView bytes =
      ByteView(*pages).subspan(range.begin - page_size.offset_of(first), range.size);
  return Pieces{Piece{pages, bytes}};
}

Result<std::vector<std::uint64_t>> ZlayerSource::page_hashes(const ZlayerContext& at,
                                                             PageRange pages) const {
  TRY_ASSIGN(const std::vector<Run> runs, lay_out(at, pages));
  std::vector<std::uint64_t> hashes;
  for (const Run& run : runs) hashes.insert(hashes.end(), run.hashes.begin(), run.hashes.end());
  return hashes;
}

}  // namespace epochfs::engine
