#include "engine/source/native_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <optional>

#include "engine/core/shared_failure.h"
#include "engine/core/text.h"
#include "engine/segment/codec.h"
#include "engine/segment/segment_reader.h"

namespace epochfs::engine {
namespace {

std::uint64_t object_key(DatabaseNo database, SegmentNo segment) {
  return (static_cast<std::uint64_t>(database.get()) << 32U) | segment.get();
}

SegmentNo segment_of(std::uint64_t object_key) {
  return SegmentNo(static_cast<std::uint32_t>(object_key));
}

std::uint32_t pages_per_block(const EpochContext& at) {
  return at.base_row.block_bytes / at.base_row.page_size.bytes();
}

std::uint64_t block_of(const EpochContext& at, PageNo page) {
  return (page.get() - 1) / pages_per_block(at);
}

PageNo page_after(PageNo page, std::uint64_t count) {
  return PageNo(static_cast<std::uint32_t>(page.get() + count));
}

ByteView page_in(const BlockPtr& block, PageSize page_size, std::uint64_t slot) {
  return block->pages.bytes().subspan(slot * page_size.bytes(), page_size.bytes());
}

VersionPlace version_in(const RecordPlace& place) { return {place.epoch, place.newer}; }

}  // namespace

// Records for some pages of a range, and the blocks of the base full under all of them that it has.
struct NativeSource::Layout {
  PageRange pages;
  std::vector<RecordPlace> records;  // pages ascending
  std::uint64_t first_block = 0;
  std::vector<BlockPlace> blocks;

  [[nodiscard]] const RecordPlace* record_of(PageNo page) const {
    const auto found = std::ranges::lower_bound(records, page, {}, &RecordPlace::page);
    return found != records.end() && found->page == page ? &*found : nullptr;
  }
  [[nodiscard]] const BlockPlace* block(std::uint64_t number) const {
    const bool inside = number >= first_block && number - first_block < blocks.size();
    return inside ? &blocks[number - first_block] : nullptr;
  }
};

NativeSource::NativeSource(std::shared_ptr<const Storage> storage, std::shared_ptr<PageIndex> index,
                           std::shared_ptr<BlockCache> cache,
                           std::shared_ptr<OpenSegments> open_segments, std::string database)
    : storage_(std::move(storage)),
      index_(std::move(index)),
      cache_(std::move(cache)),
      open_segments_(std::move(open_segments)),
      database_(std::move(database)),
      fetched_(storage_->is_remote() ? std::make_unique<FetchedRanges>() : nullptr) {}

Result<EpochContext> NativeSource::context(DatabaseNo database, Epoch epoch) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const auto row, reader.epoch(database, epoch));
  if (!row) return Error::no_such_epoch(fmt::format("{} has no epoch {}", database_, epoch.get()));
  TRY_ASSIGN(const auto base, reader.base_of(database, epoch));
  if (!base) return Error::corrupt(fmt::format("no full lies below epoch {}", epoch.get()));
  EpochContext at{database, row->facts, *base, {}, {}};
  TRY_ASSIGN(at.base_row, reader.segment(database, *base));
  TRY_ASSIGN(const SegmentRow segment, reader.segment(database, row->segment));
  at.segment = segment.filename;
  // An epoch rests on what its segment rests on, or has a full to itself.
  if (*base != segment.base && at.base_row.end_epoch != epoch)
    return Error::io(fmt::format(
        "index: epoch {} rests on another full; without its cache directory it is built anew",
        epoch.get()));
  if (at.base_row.block_bytes < at.base_row.page_size.bytes() ||
      at.base_row.block_bytes % at.base_row.page_size.bytes() != 0 ||
      at.page_count() > kPageCountMax || at.base_page_count() > kPageCountMax)
    return Error::corrupt(fmt::format("epoch {} has an impossible shape", epoch.get()));
  return at;
}

Result<NativeSource::Layout> NativeSource::lay_out(const EpochContext& at, PageRange pages) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  // A history that was taken in anew has another number. Its old rows are gone, and "no record"
  // would look like "unchanged".
  TRY_ASSIGN(const auto row, reader.epoch(at.database, at.facts.epoch));
  if (!row)
    return Error::no_such_epoch(
        fmt::format("the history of {} was replaced; open the epoch again", database_));
  Layout layout;
  layout.pages = pages;
  TRY_ASSIGN(layout.records, reader.records(at.database, pages, at.base_page_count(),
                                            at.base_row.end_epoch, at.facts.epoch));
  layout.first_block = block_of(at, pages.first);
  const std::uint64_t base_pages = at.base_page_count();
  if (pages.first.get() <= base_pages) {
    const PageNo last(
        static_cast<std::uint32_t>(std::min<std::uint64_t>(pages.last.get(), base_pages)));
    TRY_ASSIGN(layout.blocks,
               reader.blocks(at.database, at.base, pages_per_block(at), base_pages,
                             layout.first_block, block_of(at, last) - layout.first_block + 1));
  }
  return layout;
}

std::string NativeSource::place(DatabaseNo database, SegmentNo segment,
                                std::uint64_t offset) const {
  const auto reader = index_->read();
  const auto row =
      reader ? reader->segment(database, segment) : Result<SegmentRow>(Error::io("no index"));
  return fmt::format("{}/{} at byte {}", database_, row ? printable(row->filename) : "?", offset);
}

Result<std::shared_ptr<const Blob>> NativeSource::segment_blob(DatabaseNo database,
                                                               SegmentNo segment) const {
  return open_segments_->get(object_key(database, segment),
                             [&] { return open_segment(database, segment, true); });
}

Result<std::shared_ptr<const Blob>> NativeSource::open_segment(DatabaseNo database,
                                                               SegmentNo segment,
                                                               bool known) const {
  TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
  TRY_ASSIGN(const SegmentRow row, reader.segment(database, segment));
  const std::string name = fmt::format("{}/{}", database_, row.filename);
  auto blob =
      known ? storage_->open_known(name, row.stored_bytes, row.version) : storage_->open(name);
  if (!blob && blob.error().code == Code::kNotFound)
    return Error::corrupt(fmt::format("segment {} is missing", printable(row.filename)));
  if (!blob) return blob;
  if ((*blob)->version() != row.version) {
    // Touched since it was indexed, perhaps only copied: its tables must still be the ones that we
    // know.
    TRY(with_context(SegmentReader::open(*blob, &row.tables_sha256),
                     [&] { return fmt::format("segment {} changed", printable(row.filename)); }));
  }
  return blob;
}

Result<Piece> NativeSource::stored_bytes(DatabaseNo database, SegmentNo segment,
                                         std::uint64_t offset, std::uint32_t size) const {
  if (size > native::kUnitBytesMax) return Error::corrupt(fmt::format("unit of {} bytes", size));
  bytes_read_.fetch_add(size, std::memory_order_relaxed);
  if (fetched_ != nullptr) {
    if (auto bytes = fetched_->find({object_key(database, segment), {offset, size}}))
      return *std::move(bytes);
  }
  TRY_ASSIGN(Buffer bytes, read_stored(database, segment, offset, size));
  const auto owner = std::make_shared<const Buffer>(std::move(bytes));
  return Piece{owner, owner->bytes()};
}

Result<Buffer> NativeSource::read_stored(DatabaseNo database, SegmentNo segment,
                                         std::uint64_t offset, std::uint64_t size) const {
  TRY_ASSIGN(const auto blob, segment_blob(database, segment));
  Buffer bytes(size);
  auto read = blob->read(offset, bytes.bytes());
  if (!read && read.error().code == Code::kIo && storage_->is_remote())
    read = read_anew(database, segment, offset, bytes.bytes(), *blob);
  TRY(read);
  return bytes;
}

// What `use` makes of them. Those that come from afar and are wrong are asked for once more: they
// may have been damaged on their way.
template <class Use>
auto NativeSource::with_stored_bytes(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                                     std::uint32_t size, const Use& use) const
    -> decltype(use(ByteView())) {
  TRY_ASSIGN(const Piece stored, stored_bytes(database, segment, offset, size));
  auto made = use(stored.bytes);
  if (made || made.error().code != Code::kCorrupt || !storage_->is_remote()) return made;
  TRY_ASSIGN(const auto blob, segment_blob(database, segment));
  blob->forget({offset, size});
  TRY_ASSIGN(const Buffer anew, read_stored(database, segment, offset, size));
  return use(anew.bytes());
}

std::vector<FetchedRanges::Hold> NativeSource::fetch_together(const EpochContext& at,
                                                              const Layout& layout,
                                                              bool cached) const {
  if (fetched_ == nullptr) return {};
  std::vector<FetchedRanges::Unit> units;
  const auto want = [&](SegmentNo segment, std::uint64_t offset, std::uint32_t size) {
    const std::uint64_t object = object_key(at.database, segment);
    if (size <= native::kUnitBytesMax && !(cached && cache_->has({object, offset})))
      units.push_back({object, {offset, size}});
  };
  for (const BlockPlace& block : layout.blocks) want(at.base, block.offset, block.stored_bytes);
  for (const RecordPlace& record : layout.records)
    want(record.segment, record.offset, record.stored_bytes);
  if (units.size() < 2) return {};
  auto holds = fetched_->plan(std::move(units));
  // A storage that does not answer is asked once, not for each run in turn.
  std::optional<Error> unreachable;
  for (FetchedRanges::Hold& hold : holds) {
    if (unreachable) {
      hold.land(tl::unexpected(*unreachable));
      continue;
    }
    auto bytes =
        read_stored(at.database, segment_of(hold.object()), hold.range().begin, hold.range().size);
    if (!bytes && is_out_of_reach(bytes.error())) unreachable = bytes.error();
    hold.land(std::move(bytes));
  }
  return holds;
}

// It was taken for the object that was indexed, unseen. It may be a copy of that by now, which is
// as good.
Result<void> NativeSource::read_anew(DatabaseNo database, SegmentNo segment, std::uint64_t offset,
                                     MutableByteView out, const Blob& before) const {
  TRY_ASSIGN(const auto blob, open_segment(database, segment, false));
  TRY(blob->read(offset, out));
  if (blob->version() != before.version()) open_segments_->put(object_key(database, segment), blob);
  return {};
}

Result<BlockPtr> NativeSource::load_block(const EpochContext& at, const Layout& layout,
                                          std::uint64_t block) const {
  const BlockPlace* found = layout.block(block);
  if (found == nullptr) return Error::corrupt(fmt::format("no block {} in the full", block));
  const auto load = [&]() -> Result<Block> {
    const std::uint64_t begin = block * at.base_row.block_bytes;
    const std::uint64_t size =
        std::min<std::uint64_t>(at.base_row.block_bytes, at.base_row.image_bytes - begin);
    const auto decode = [&](ByteView stored) {
      return decode_block(stored, size, at.base_row.page_size, found->page_hashes);
    };
    TRY_ASSIGN(Buffer pages,
               with_stored_bytes(at.database, at.base, found->offset, found->stored_bytes, decode));
    return Block{{}, std::move(pages)};
  };
  return with_context(cache_->get(BlockKey{object_key(at.database, at.base), found->offset}, load),
                      [&] { return place(at.database, at.base, found->offset); });
}

Result<BlockPtr> NativeSource::load_record(const EpochContext& at, const Layout& layout,
                                           const RecordPlace& found) const {
  const PageSize page_size = at.base_row.page_size;
  const auto load = [&]() -> Result<Block> {
    BlockPtr base;
    ByteView prefix;
    if (found.page.get() <= at.base_page_count()) {
      TRY_ASSIGN(base, load_block(at, layout, block_of(at, found.page)));
      prefix = page_in(base, page_size, (found.page.get() - 1) % pages_per_block(at));
    }
    const auto decode = [&](ByteView stored) {
      return decode_record(stored, found.page, page_size, prefix);
    };
    TRY_ASSIGN(DecodedRecord record, with_stored_bytes(at.database, found.segment, found.offset,
                                                       found.stored_bytes, decode));
    return Block{std::move(record.epochs), std::move(record.pages)};
  };
  return with_context(
      cache_->get(BlockKey{object_key(at.database, found.segment), found.offset}, load),
      [&] { return place(at.database, found.segment, found.offset); });
}

Result<Pieces> NativeSource::read(const EpochContext& at, ByteRange range) const {
  Pieces pieces;
  if (range.size == 0) return pieces;
  assert(range.begin + range.size <= at.facts.size_bytes);
  const PageSize page_size = at.base_row.page_size;
  const PageRange pages{page_size.page_at(range.begin),
                        page_size.page_at(range.begin + range.size - 1)};
  TRY_ASSIGN(const Layout layout, lay_out(at, pages));
  const auto at_hand = fetch_together(at, layout, true);

  const auto append = [&](const BlockPtr& block, PageNo page, std::uint64_t slot) {
    const std::uint64_t begin = page_size.offset_of(page);
    const std::uint64_t skip = range.begin > begin ? range.begin - begin : 0;
    const std::uint64_t end =
        std::min<std::uint64_t>(page_size.bytes(), range.begin + range.size - begin);
    const ByteView bytes = page_in(block, page_size, slot).subspan(skip, end - skip);
    if (!pieces.empty() && pieces.back().owner == block &&
        pieces.back().bytes.data() + pieces.back().bytes.size() == bytes.data())
      pieces.back().bytes =
          ByteView(pieces.back().bytes.data(), pieces.back().bytes.size() + bytes.size());
    else
      pieces.push_back(Piece{block, bytes});
  };

  BlockPtr block;
  std::uint64_t block_number = 0;
  for (PageNo page = pages.first; page <= pages.last; page = page_after(page, 1)) {
    const auto where = [&] { return fmt::format("page {}", page.get()); };
    if (const RecordPlace* record = layout.record_of(page); record != nullptr) {
      TRY_ASSIGN(const BlockPtr versions, with_context(load_record(at, layout, *record), where));
      TRY_ASSIGN(const std::size_t slot,
                 with_context(version_slot(versions->epochs, version_in(*record)), where));
      append(versions, page, slot);
      continue;
    }
    if (page.get() > at.base_page_count())
      return Error::corrupt(fmt::format("page {}: no version of it is stored", page.get()));
    if (block == nullptr || block_number != block_of(at, page)) {
      block_number = block_of(at, page);
      TRY_ASSIGN(block, with_context(load_block(at, layout, block_number), where));
    }
    append(block, page, (page.get() - 1) % pages_per_block(at));
  }
  return pieces;
}

Result<Piece> NativeSource::base_page(const EpochContext& at, PageNo page) const {
  if (page.get() > at.base_page_count()) return Piece{};
  Layout layout;
  layout.first_block = block_of(at, page);
  {
    TRY_ASSIGN(const PageIndex::Reader reader, index_->read());
    TRY_ASSIGN(layout.blocks, reader.blocks(at.database, at.base, pages_per_block(at),
                                            at.base_page_count(), layout.first_block, 1));
  }
  TRY_ASSIGN(const BlockPtr block, load_block(at, layout, layout.first_block));
  return Piece{block,
               page_in(block, at.base_row.page_size, (page.get() - 1) % pages_per_block(at))};
}

Result<void> NativeSource::copy_block(const EpochContext& at, const BlockPlace& found,
                                      std::uint64_t block, PageRange pages,
                                      MutableByteView out) const {
  const PageSize page_size = at.base_row.page_size;
  const std::uint64_t begin = block * at.base_row.block_bytes;
  const std::uint64_t end = begin + page_size.bytes() * std::uint64_t{found.page_hashes.size()};
  const std::uint64_t size =
      std::min<std::uint64_t>(at.base_row.block_bytes, at.base_row.image_bytes - begin);
  const std::uint64_t out_begin = page_size.offset_of(pages.first);
  const std::uint64_t out_end = out_begin + out.size();
  const auto decode = [&](ByteView stored) -> Result<void> {
    if (begin >= out_begin && end <= out_end)
      return decode_block_into(stored, size, page_size, found.page_hashes,
                               out.subspan(begin - out_begin, end - begin));
    TRY_ASSIGN(const Buffer plain, decode_block(stored, size, page_size, found.page_hashes));
    const std::uint64_t from = std::max(begin, out_begin);
    const std::uint64_t to = std::min(end, out_end);
    copy_bytes(plain.bytes().subspan(from - begin, to - from), out.subspan(from - out_begin));
    return {};
  };
  return with_stored_bytes(at.database, at.base, found.offset, found.stored_bytes, decode);
}

Result<void> NativeSource::read_pages(const EpochContext& at, PageNo first, MutableByteView out,
                                      std::vector<std::uint64_t>& hashes) const {
  const PageSize page_size = at.base_row.page_size;
  const std::uint64_t count = out.size() / page_size.bytes();
  const PageRange pages{first, page_after(first, count - 1)};
  TRY_ASSIGN(const Layout layout, lay_out(at, pages));
  const auto at_hand = fetch_together(at, layout, false);
  hashes.assign(count, 0);
  const auto slot_of = [&](PageNo page) { return page.get() - first.get(); };
  const auto page_out = [&](PageNo page) {
    return out.subspan(static_cast<std::size_t>(slot_of(page)) * page_size.bytes(),
                       page_size.bytes());
  };

  // Blocks first: they are the prefixes of the records that replace some of their pages.
  for (std::size_t i = 0; i < layout.blocks.size(); ++i) {
    const BlockPlace& found = layout.blocks[i];
    const std::uint64_t block = layout.first_block + i;
    TRY(with_context(copy_block(at, found, block, pages, out),
                     [&] { return place(at.database, at.base, found.offset); }));
    for (std::size_t slot = 0; slot < found.page_hashes.size(); ++slot) {
      const PageNo page(static_cast<std::uint32_t>(block * pages_per_block(at) + slot + 1));
      if (page >= pages.first && page <= pages.last)
        hashes[slot_of(page)] = found.page_hashes[slot];
    }
  }
  for (PageNo page = page_after(
           PageNo(0), std::max<std::uint64_t>(pages.first.get(), at.base_page_count() + 1));
       page <= pages.last; page = page_after(page, 1)) {
    if (layout.record_of(page) == nullptr)
      return Error::corrupt(fmt::format("page {}: no version of it is stored", page.get()));
  }
  for (const RecordPlace& found : layout.records) {
    const auto where = [&] {
      return fmt::format("page {}: {}", found.page.get(),
                         place(at.database, found.segment, found.offset));
    };
    const MutableByteView target = page_out(found.page);
    const bool has_base = found.page.get() <= at.base_page_count();
    const auto decode = [&](ByteView stored) {
      return decode_version(stored, found.page, page_size, has_base ? ByteView(target) : ByteView(),
                            version_in(found), target);
    };
    TRY_ASSIGN(hashes[slot_of(found.page)],
               with_context(with_stored_bytes(at.database, found.segment, found.offset,
                                              found.stored_bytes, decode),
                            where));
  }
  return {};
}

Result<std::vector<std::uint64_t>> NativeSource::page_hashes(const EpochContext& at,
                                                             PageRange pages) const {
  TRY_ASSIGN(const Layout layout, lay_out(at, pages));
  std::vector<std::uint64_t> hashes;
  hashes.reserve(pages.last.get() - pages.first.get() + 1);
  for (PageNo page = pages.first; page <= pages.last; page = page_after(page, 1)) {
    if (const RecordPlace* found = layout.record_of(page); found != nullptr) {
      const auto where = [&] {
        return fmt::format("page {}: {}", page.get(),
                           place(at.database, found->segment, found->offset));
      };
      const auto find_hash = [&](ByteView stored) -> Result<std::uint64_t> {
        TRY_ASSIGN(const auto parsed, native::parse_record_header(stored));
        if (parsed.header.page != page)
          return Error::corrupt(fmt::format("holds page {}", parsed.header.page.get()));
        TRY_ASSIGN(const std::size_t slot, version_slot(parsed.header.epochs, version_in(*found)));
        return parsed.header.hashes[slot];
      };
      TRY_ASSIGN(const std::uint64_t hash,
                 with_context(with_stored_bytes(at.database, found->segment, found->offset,
                                                found->stored_bytes, find_hash),
                              where));
      hashes.push_back(hash);
      continue;
    }
    const BlockPlace* block = layout.block(block_of(at, page));
    const std::uint64_t slot = (page.get() - 1) % pages_per_block(at);
    if (block == nullptr || slot >= block->page_hashes.size())
      return Error::corrupt(fmt::format("page {}: no version of it is stored", page.get()));
    hashes.push_back(block->page_hashes[slot]);
  }
  return hashes;
}

}  // namespace epochfs::engine
