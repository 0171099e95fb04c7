#include "engine/formats/native/segment_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace epochfs::engine::native {
namespace {

constexpr std::string_view kSignature = "EPOCHFS\x01";
constexpr std::string_view kFooterMagic = "EPFSFOOT";
static_assert(kSignatureSize == kFrameHeaderSize + kSignature.size());

// Dictionary magic number 0xEC30A437, as it lies in a file.
constexpr std::array kDictionaryMagic = {std::byte{0x37}, std::byte{0xa4}, std::byte{0x30},
                                         std::byte{0xec}};

constexpr std::uint32_t kSegmentVersionMax = 2;

constexpr std::uint16_t kHasPrefix = 1;  // flag of a record

std::uint64_t footer_magic() noexcept { return load_le<std::uint64_t>(as_bytes(kFooterMagic)); }

void put_frame_header(ByteWriter& out, std::uint32_t magic, std::uint32_t length) {
  out.put_le(magic);
  out.put_le(length);
}

// The content's length of the skippable frame that begins here.
Result<std::uint32_t> take_frame_header(ByteCursor& in, std::uint32_t magic) {
  TRY_ASSIGN(const auto header, in.take<kFrameHeaderSize>());
  if (load(header, frame_fields::kMagic) != magic)
    return Error::corrupt(fmt::format("frame {:#010x} where {:#010x} belongs",
                                      load(header, frame_fields::kMagic), magic));
  return load(header, frame_fields::kLength);
}

// Numbers of a footer that have to agree whatever the kind.
Result<void> check_places(const Footer& footer, std::uint64_t object_bytes) {
  const bool fits = footer.tables_offset >= kSignatureSize &&
                    footer.tables_offset <= object_bytes &&
                    footer.tables_bytes <= object_bytes - footer.tables_offset &&
                    object_bytes - footer.tables_offset - footer.tables_bytes == kFooterSize;
  if (!fits)
    return Error::corrupt(fmt::format("{} bytes of tables at {} in an object of {} bytes",
                                      footer.tables_bytes, footer.tables_offset, object_bytes));
  const std::uint64_t unit_bytes = footer.tables_offset - kSignatureSize;
  if (footer.unit_count > unit_bytes / kUnitBytesMin ||
      (unit_bytes + kUnitBytesMax - 1) / kUnitBytesMax > footer.unit_count)
    return Error::corrupt(fmt::format("{} units in {} bytes", footer.unit_count, unit_bytes));
  return {};
}

// Of fulls and logs.
Result<void> check_blocks(const Footer& footer, PageSize page_size) {
  const std::uint32_t block = footer.block_size;
  if (block < std::max(kBlockBytesMin, page_size.bytes()) || block > kBlockBytesMax ||
      !std::has_single_bit(block))
    return Error::corrupt(fmt::format("blocks of {} bytes", block));
  const std::uint64_t blocks =
      footer.image_bytes / block + (footer.image_bytes % block != 0 ? 1 : 0);
  if (footer.unit_count != blocks || footer.version_count != page_size.pages_in(footer.image_bytes))
    return Error::corrupt(fmt::format("{} blocks and {} pages in an image of {} bytes",
                                      footer.unit_count, footer.version_count, footer.image_bytes));
  return {};
}

Result<void> check_full(const Footer& footer, PageSize page_size) {
  if (footer.start_epoch != Epoch(0) || footer.base_epoch != Epoch(0) || footer.epoch_count != 1)
    return Error::corrupt("epochs of a full");
  return check_blocks(footer, page_size);
}

Result<void> check_log(const Footer& footer, PageSize page_size) {
  if (footer.base_epoch != Epoch(0) || footer.epoch_count != 0 || footer.image_bytes == 0)
    return Error::corrupt(fmt::format("a log of {} bytes with {} epochs above {}",
                                      footer.image_bytes, footer.epoch_count,
                                      footer.base_epoch.get()));
  return check_blocks(footer, page_size);
}

Result<void> check_incremental(const Footer& footer, PageSize page_size) {
  if (footer.block_size != 0) return Error::corrupt("an incremental with blocks");
  if (footer.base_epoch == Epoch(0) || footer.start_epoch <= footer.base_epoch ||
      footer.end_epoch < footer.start_epoch || footer.epoch_count == 0 ||
      footer.end_epoch.get() - footer.start_epoch.get() != footer.epoch_count - 1)
    return Error::corrupt(fmt::format("{} epochs from {} to {} above {}", footer.epoch_count,
                                      footer.start_epoch.get(), footer.end_epoch.get(),
                                      footer.base_epoch.get()));
  if (footer.version_count < footer.unit_count ||
      footer.version_count / versions_per_record(page_size) > footer.unit_count)
    return Error::corrupt(
        fmt::format("{} versions in {} records", footer.version_count, footer.unit_count));
  // A commit that changes nothing has no version, but a place in the log, which takes two bytes.
  if (footer.epoch_count > footer.version_count + footer.tables_bytes + kEpochsPerChunk)
    return Error::corrupt(fmt::format("{} epochs with {} versions in {} bytes of tables",
                                      footer.epoch_count, footer.version_count,
                                      footer.tables_bytes));
  return {};
}

Result<void> check_footer(const Footer& footer, std::uint64_t object_bytes) {
  TRY_ASSIGN(const PageSize page_size, PageSize::from(footer.page_size));
  if (page_size.pages_in(footer.image_bytes) > kPageCountMax)
    return Error::corrupt(fmt::format("an image of {} bytes", footer.image_bytes));
  TRY(check_places(footer, object_bytes));
  switch (footer.kind) {
    case SegmentKind::kFull:
      return check_full(footer, page_size);
    case SegmentKind::kIncremental:
      return check_incremental(footer, page_size);
    case SegmentKind::kLog:
      break;
  }
  return check_log(footer, page_size);
}

}  // namespace

std::string_view captured_name(Captured how) noexcept {
  switch (how) {
    case Captured::kCommit:
      return "commit";
    case Captured::kPageDiff:
      return "page-diff";
    case Captured::kLog:
      return "log";
    case Captured::kImage:
      break;
  }
  return "image";
}

std::string_view basis_name(Basis basis) noexcept {
  switch (basis) {
    case Basis::kStored:
      return "stored";
    case Basis::kShown:
      return "shown";
    case Basis::kAssumed:
      return "assumed";
    case Basis::kUnproven:
      break;
  }
  return "unproven";
}

Bytes signature_frame() {
  ByteWriter out;
  put_frame_header(out, kSignatureFrame, kSignature.size());
  out.put(as_bytes(kSignature));
  return std::move(out).take();
}

Result<void> check_signature(ByteView frame) {
  if (!std::ranges::equal(frame, signature_frame())) return Error::corrupt("not a segment");
  return {};
}

std::uint32_t segment_version(const Footer& footer) noexcept {
  const bool is_plain_full = footer.kind == SegmentKind::kFull && footer.end_epoch != Epoch(0);
  return is_plain_full || footer.kind == SegmentKind::kIncremental ? 1 : 2;
}

Bytes encode_footer(const Footer& footer) {
  using namespace footer_fields;
  std::array<std::byte, kFooterContentSize> content{};
  const std::span record(content);
  store(record, kMagic, footer_magic());
  store(record, kVersion, segment_version(footer));
  store(record, kKind, static_cast<std::uint32_t>(footer.kind));
  store(record, kPageSize, footer.page_size);
  store(record, kBlockSize, footer.block_size);
  store(record, kEpochCount, footer.epoch_count);
  store(record, kStartEpoch, footer.start_epoch.get());
  store(record, kEndEpoch, footer.end_epoch.get());
  store(record, kBaseEpoch, footer.base_epoch.get());
  store(record, kImageBytes, footer.image_bytes);
  store(record, kUnitCount, footer.unit_count);
  store(record, kVersionCount, footer.version_count);
  store(record, kTablesOffset, footer.tables_offset);
  store(record, kTablesBytes, footer.tables_bytes);
  store(record, kTablesHash, footer.tables_hash);
  store(record, footer_fields::kHash, page_hash(ByteView(content).first(kHash.offset)));
  ByteWriter out;
  put_frame_header(out, kFooterFrame, kFooterContentSize);
  out.put(content);
  return std::move(out).take();
}

Result<Footer> parse_footer(ByteView frame, std::uint64_t object_bytes) {
  using namespace footer_fields;
  ByteCursor in(frame);
  TRY_ASSIGN(const std::uint32_t length, take_frame_header(in, kFooterFrame));
  if (length != kFooterContentSize) return Error::corrupt(fmt::format("footer of {}", length));
  TRY_ASSIGN(const auto record, in.take<kFooterContentSize>());
  TRY(in.expect_end());
  if (load(record, footer_fields::kMagic) != footer_magic()) return Error::corrupt("footer magic");
  // The footer keeps its shape in every version, so damage never passes for a newer format.
  if (load(record, kHash) != page_hash(ByteView(record).first(kHash.offset)))
    return Error::corrupt("footer hash");
  const std::uint32_t version = load(record, kVersion);
  if (version == 0 || version > kSegmentVersionMax)
    return Error::unsupported(fmt::format("segment version {}", version));
  const std::uint32_t flags = load(record, kFlags);
  if ((flags & kIncompatibleFlags) != 0)
    return Error::unsupported(fmt::format("segment flags {:#x}", flags));
  if (flags == 0 && (load(record, kReservedFirst) | load(record, kReservedSecond)) != 0)
    return Error::corrupt("reserved bytes of the footer");
  const std::uint32_t kind = load(record, kKind);
  if (kind > static_cast<std::uint32_t>(SegmentKind::kLog))
    return Error::corrupt(fmt::format("segment kind {}", kind));
  const Footer footer{.kind = static_cast<SegmentKind>(kind),
                      .page_size = load(record, kPageSize),
                      .block_size = load(record, kBlockSize),
                      .epoch_count = load(record, kEpochCount),
                      .start_epoch = Epoch(load(record, kStartEpoch)),
                      .end_epoch = Epoch(load(record, kEndEpoch)),
                      .base_epoch = Epoch(load(record, kBaseEpoch)),
                      .image_bytes = load(record, kImageBytes),
                      .unit_count = load(record, kUnitCount),
                      .version_count = load(record, kVersionCount),
                      .tables_offset = load(record, kTablesOffset),
                      .tables_bytes = load(record, kTablesBytes),
                      .tables_hash = load(record, kTablesHash)};
  if (version != segment_version(footer))
    return Error::corrupt(fmt::format("segment kind {} with epoch {} in version {}", kind,
                                      footer.end_epoch.get(), version));
  TRY(check_footer(footer, object_bytes));
  return footer;
}

std::uint32_t rows_per_chunk(TableKind kind) noexcept {
  switch (kind) {
    case TableKind::kBlocks:
      return kBlocksPerChunk;
    case TableKind::kRecords:
      return kRecordsPerChunk;
    case TableKind::kEpochs:
      return kEpochsPerChunk;
  }
  return 0;
}

Bytes encode_table_header(const TableHeader& header) {
  ByteWriter out;
  put_frame_header(out, kTableFrame, table_fields::kRawBytes.end + header.stored_bytes);
  out.put_le(static_cast<std::uint32_t>(header.kind));
  out.put_le(header.rows);
  out.put_le(header.raw_bytes);
  return std::move(out).take();
}

Result<TableHeader> parse_table_header(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const std::uint32_t length, take_frame_header(in, kTableFrame));
  TRY_ASSIGN(const auto record, in.take<table_fields::kRawBytes.end>());
  TRY(in.expect_end());
  const std::uint32_t kind = load(record, table_fields::kKind);
  if (kind < static_cast<std::uint32_t>(TableKind::kBlocks) ||
      kind > static_cast<std::uint32_t>(TableKind::kEpochs))
    return Error::corrupt(fmt::format("table kind {}", kind));
  if (length <= table_fields::kRawBytes.end)
    return Error::corrupt(fmt::format("table frame of {} bytes", length));
  const TableHeader header{static_cast<TableKind>(kind), load(record, table_fields::kRows),
                           load(record, table_fields::kRawBytes),
                           length - static_cast<std::uint32_t>(table_fields::kRawBytes.end)};
  if (header.rows == 0 || header.rows > rows_per_chunk(header.kind) ||
      header.raw_bytes > kTableRawMax || header.stored_bytes > kTableStoredMax)
    return Error::corrupt(fmt::format("table chunk of {} rows, {} bytes, stored as {}", header.rows,
                                      header.raw_bytes, header.stored_bytes));
  return header;
}

Bytes encode_record_header(const RecordHeader& header) {
  ByteWriter content;
  content.put_le(header.page.get());
  content.put_le(static_cast<std::uint16_t>(header.epochs.size()));
  content.put_le(header.has_prefix ? kHasPrefix : std::uint16_t{0});
  content.put_le(header.epochs.front().get());
  for (std::size_t i = 1; i < header.epochs.size(); ++i)
    content.put_varint(header.epochs[i].get() - header.epochs[i - 1].get());
  for (const std::uint64_t hash : header.hashes) content.put_le(hash);
  ByteWriter out;
  put_frame_header(out, kRecordFrame, static_cast<std::uint32_t>(content.size()));
  out.put(content.view());
  return std::move(out).take();
}

Result<ParsedRecordHeader> parse_record_header(ByteView unit) {
  ByteCursor frame(unit);
  TRY_ASSIGN(const std::uint32_t length, take_frame_header(frame, kRecordFrame));
  TRY_ASSIGN(const ByteView content, frame.take(length));
  ByteCursor in(content);
  RecordHeader header;
  TRY_ASSIGN(const auto page, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto count, in.take_le<std::uint16_t>());
  TRY_ASSIGN(const auto flags, in.take_le<std::uint16_t>());
  TRY_ASSIGN(auto epoch, in.take_le<std::uint64_t>());
  if (page == 0 || page > kPageCountMax) return Error::corrupt(fmt::format("page {}", page));
  if (count == 0 || count > kVersionsPerRecordMax)
    return Error::corrupt(fmt::format("record of {} versions", count));
  if ((flags & ~std::uint32_t{kHasPrefix}) != 0)
    return Error::corrupt(fmt::format("record flags {:#x}", flags));
  if (epoch == 0) return Error::corrupt("record with epoch 0");
  header.page = PageNo(page);
  header.has_prefix = (flags & kHasPrefix) != 0;
  header.epochs.reserve(count);
  header.hashes.reserve(count);
  header.epochs.emplace_back(epoch);
  while (header.epochs.size() < count) {
    TRY_ASSIGN(const std::uint64_t delta, in.take_varint());
    if (delta == 0 || delta > std::numeric_limits<std::uint64_t>::max() - epoch)
      return Error::corrupt("epochs of a record out of order");
    epoch += delta;
    header.epochs.emplace_back(epoch);
  }
  for (std::size_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const auto hash, in.take_le<std::uint64_t>());
    header.hashes.push_back(hash);
  }
  TRY(in.expect_end());
  return ParsedRecordHeader{std::move(header), kFrameHeaderSize + length};
}

bool is_usable_prefix(ByteView page) noexcept {
  return !page.empty() &&
         !(page.size() >= kDictionaryMagic.size() &&
           std::ranges::equal(page.first(kDictionaryMagic.size()), kDictionaryMagic));
}

}  // namespace epochfs::engine::native
