#include "engine/formats/grafeo/image_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"

namespace epochfs::engine::grafeo {
namespace {

using ImagePage = std::span<const std::byte, kImagePageSize>;

constexpr std::uint32_t kImageMagic = 0x46415247;  // "GRAF"
constexpr std::size_t kCreatorBytes = 32;
constexpr std::uint32_t kBlockContainer = 3;

namespace directory_layout {
inline constexpr Field<std::uint32_t, 0> kCount;
inline constexpr std::size_t kEntries = 8;
inline constexpr std::size_t kEntryBytes = 32;
inline constexpr std::size_t kEntriesMax = (kImagePageSize - kEntries) / kEntryBytes;
// Within an entry: type, version and flags come before.
inline constexpr Field<std::uint64_t, 8> kOffset;
inline constexpr Field<std::uint64_t, kOffset.end> kLength;
inline constexpr Field<std::uint32_t, kLength.end> kCrc;
}  // namespace directory_layout

namespace block_page_layout {
inline constexpr Field<std::uint32_t, 0> kMagic;
inline constexpr Field<std::uint32_t, kMagic.end> kContainer;
inline constexpr Field<std::uint32_t, kContainer.end> kPageSize;
inline constexpr Field<std::uint32_t, kPageSize.end> kFlags;
inline constexpr std::size_t kDatabaseId = kFlags.end;
inline constexpr Field<std::uint64_t, kDatabaseId + 16> kCreated;
inline constexpr std::size_t kCreator = kCreated.end;
inline constexpr Field<std::uint32_t, kCreator + kCreatorBytes> kChecksum;
}  // namespace block_page_layout

namespace block_slot_layout {
inline constexpr Field<std::uint32_t, 0> kMagic;
inline constexpr Field<std::uint32_t, kMagic.end> kZero;
inline constexpr Field<std::uint64_t, kZero.end> kIteration;
inline constexpr Field<std::uint64_t, kIteration.end> kCheckpointLsn;
inline constexpr Field<std::uint64_t, kCheckpointLsn.end> kEpoch;
inline constexpr Field<std::uint64_t, kEpoch.end> kTransaction;
inline constexpr Field<std::uint64_t, kTransaction.end> kRootOffset;
inline constexpr Field<std::uint32_t, kRootOffset.end> kRootBytes;
inline constexpr Field<std::uint32_t, kRootBytes.end> kRootCrc;
inline constexpr Field<std::uint64_t, kRootCrc.end> kNodeCount;
inline constexpr Field<std::uint64_t, kNodeCount.end> kEdgeCount;
inline constexpr Field<std::uint64_t, kEdgeCount.end> kTime;
inline constexpr Field<std::uint32_t, kTime.end> kChecksum;
static_assert(kChecksum.end == 84);
}  // namespace block_slot_layout
constexpr std::uint32_t kBlockSlotMagic = 0x48424447;  // "GDBH"
constexpr std::uint32_t kEncryptedImage = 1;
constexpr std::uint32_t kIncompatibleImage = 0xffff;  // flags that must be known

std::uint32_t crc_of(ByteView bytes) {
  Crc32 crc;
  crc.update(bytes);
  return crc.value();
}

// The text in a field that is padded with zeros.
std::string creator_text(ByteView field) {
  const std::string_view text = as_text(field);
  return std::string(text.substr(0, text.find('\0')));
}

Result<PayloadCheck> payload_at(std::uint64_t offset, std::uint64_t size, std::uint32_t crc32) {
  if (offset < kImageHeaderSize || size > std::numeric_limits<std::uint64_t>::max() - offset)
    return Error::corrupt(fmt::format("image data of {} bytes at {}", size, offset));
  return PayloadCheck{{offset, size}, crc32};
}

// A database header of containers 1 and 2.
struct BincodeSlot {
  std::uint64_t iteration = 0;
  std::uint32_t crc32 = 0;
  std::uint64_t snapshot_bytes = 0;  // 0 with an iteration: sections
  Epoch epoch;
  TransactionId transaction;
  std::uint64_t node_count = 0;
  std::uint64_t edge_count = 0;
  UnixMillis time;
};

Result<BincodeSlot> parse_bincode_slot(ImagePage page) {
  ByteCursor in(page);
  BincodeSlot slot;
  TRY_ASSIGN(slot.iteration, take_number(in));
  TRY_ASSIGN(slot.crc32, take_number_as<std::uint32_t>(in));
  TRY_ASSIGN(slot.snapshot_bytes, take_number(in));
  TRY_ASSIGN(slot.epoch, take_number(in).map(as<Epoch>));
  TRY_ASSIGN(slot.transaction, take_number(in).map(as<TransactionId>));
  TRY_ASSIGN(slot.node_count, take_number(in));
  TRY_ASSIGN(slot.edge_count, take_number(in));
  TRY_ASSIGN(slot.time, take_number(in).map(as<UnixMillis>));
  return slot;
}

// Version, page size, time and creator behind the magic number of containers 1 and 2.
Result<void> parse_bincode_page(ImagePage page, ImageHeader& header) {
  ByteCursor in(page.subspan<sizeof kImageMagic>());
  TRY_ASSIGN(const std::uint64_t version, take_number(in));
  if (version != 1) return Error::corrupt(fmt::format("image version {}", version));
  TRY_ASSIGN(const std::uint64_t page_size, take_number(in));
  if (page_size != kImagePageSize)
    return Error::corrupt(fmt::format("an image with pages of {} bytes", page_size));
  TRY_ASSIGN(header.created, take_number(in).map(as<UnixMillis>));
  TRY_ASSIGN(const ByteView creator, in.take(kCreatorBytes));
  header.creator_version = creator_text(creator);
  return {};
}

Result<void> use_bincode_slot(const BincodeSlot& slot, ImageHeader& header) {
  header.iteration = slot.iteration;
  header.epoch = slot.epoch;
  header.last_transaction = slot.transaction;
  header.node_count = slot.node_count;
  header.edge_count = slot.edge_count;
  header.checkpointed = slot.time;
  const bool has_sections = slot.iteration > 0 && slot.snapshot_bytes == 0;
  header.container = has_sections ? 2 : 1;
  if (slot.iteration == 0) return {};  // never checkpointed
  TRY_ASSIGN(header.payload,
             payload_at(kImageHeaderSize, has_sections ? kImagePageSize : slot.snapshot_bytes,
                        slot.crc32));
  return {};
}

Result<ImageHeader> parse_bincode_image(ImagePage page, ImagePage slot0, ImagePage slot1) {
  ImageHeader header;
  TRY(parse_bincode_page(page, header));
  const auto where = [] { return std::string("database header of the image"); };
  TRY_ASSIGN(const BincodeSlot first, with_context(parse_bincode_slot(slot0), where));
  TRY_ASSIGN(const BincodeSlot second, with_context(parse_bincode_slot(slot1), where));
  header.active_slot = second.iteration > first.iteration ? 1 : 0;
  TRY(use_bincode_slot(header.active_slot == 0 ? first : second, header));
  return header;
}

Result<void> parse_block_page(ImagePage page, ImageHeader& header) {
  using namespace block_page_layout;
  if (load(page, kChecksum) != crc_of(page.first<kChecksum.offset>()))
    return Error::corrupt("the checksum of the image's first page differs");
  const std::uint32_t flags = load(page, kFlags) & kIncompatibleImage;
  if ((flags & kEncryptedImage) != 0) return Error::unsupported("the image is encrypted");
  if (flags != 0)
    return Error::unsupported(fmt::format("the image needs unknown features {:#x}", flags));
  if (load(page, kPageSize) != kImagePageSize)
    return Error::corrupt(fmt::format("an image with pages of {} bytes", load(page, kPageSize)));
  header.container = kBlockContainer;
  header.database_id.emplace();
  std::ranges::copy(page.subspan<kDatabaseId, 16>(), header.database_id->begin());
  header.created = UnixMillis(load(page, kCreated));
  header.creator_version = creator_text(page.subspan<kCreator, kCreatorBytes>());
  return {};
}

enum class SlotState { kSound, kNeverWritten, kDamaged };

SlotState block_slot_state(ImagePage slot) {
  using namespace block_slot_layout;
  const auto used = slot.first<kChecksum.end>();
  if (std::ranges::all_of(used, [](std::byte b) { return b == std::byte{0}; }))
    return SlotState::kNeverWritten;
  const bool is_sound = load(slot, kMagic) == kBlockSlotMagic &&
                        load(slot, kChecksum) == crc_of(slot.first<kChecksum.offset>());
  return is_sound ? SlotState::kSound : SlotState::kDamaged;
}

Result<void> use_block_slot(ImagePage slot, ImageHeader& header) {
  using namespace block_slot_layout;
  header.iteration = load(slot, kIteration);
  header.checkpoint_lsn = Lsn(load(slot, kCheckpointLsn));
  header.epoch = Epoch(load(slot, kEpoch));
  header.last_transaction = TransactionId(load(slot, kTransaction));
  header.node_count = load(slot, kNodeCount);
  header.edge_count = load(slot, kEdgeCount);
  header.checkpointed = UnixMillis(load(slot, kTime));
  if (load(slot, kRootBytes) == 0) return {};
  TRY_ASSIGN(header.payload,
             payload_at(load(slot, kRootOffset), load(slot, kRootBytes), load(slot, kRootCrc)));
  return {};
}

Result<ImageHeader> parse_block_image(ImagePage page, ImagePage slot0, ImagePage slot1) {
  using block_slot_layout::kIteration;
  ImageHeader header;
  TRY(parse_block_page(page, header));
  const SlotState first = block_slot_state(slot0);
  const SlotState second = block_slot_state(slot1);
  if (first != SlotState::kSound && second != SlotState::kSound)
    return Error::corrupt("the image has no sound database header");
  const bool second_is_newer =
      first != SlotState::kSound ||
      (second == SlotState::kSound && load(slot1, kIteration) > load(slot0, kIteration));
  header.active_slot = second_is_newer ? 1 : 0;
  header.has_damaged_slot = first == SlotState::kDamaged || second == SlotState::kDamaged;
  TRY(use_block_slot(second_is_newer ? slot1 : slot0, header));
  return header;
}

}  // namespace

bool is_image_start(std::span<const std::byte, kImageMagicSize> file_start) noexcept {
  const std::uint32_t container = load(file_start, block_page_layout::kContainer);
  // One byte in containers 1 and 2, and behind it the page size; a number from then on.
  return load_le<std::uint32_t>(file_start) == kImageMagic &&
         ((container & 0xff) == 1 || (container >= kBlockContainer && container <= 0xff));
}

Result<ImageHeader> parse_image_header(ByteView file_start) {
  ByteCursor in(file_start);
  TRY_ASSIGN(const auto raw, with_context(in.take<kImageHeaderSize>(),
                                          [] { return std::string("header of an image"); }));
  if (load_le<std::uint32_t>(raw) != kImageMagic)
    return Error::corrupt("no Grafeo image: it does not begin with GRAF");
  const auto page = raw.first<kImagePageSize>();
  const auto slot0 = raw.subspan<kImagePageSize, kImagePageSize>();
  const auto slot1 = raw.subspan<2 * kImagePageSize, kImagePageSize>();
  const std::uint32_t container = load(page, block_page_layout::kContainer);
  if (container == kBlockContainer) return parse_block_image(page, slot0, slot1);
  // Of containers 1 and 2 only the first byte is the version, and it is 1 for both.
  if ((container & 0xff) == 1) return parse_bincode_image(page, slot0, slot1);
  if (container > kBlockContainer && container <= 0xff)
    return Error::unsupported(
        fmt::format("image container {}: written by a newer release of Grafeo", container));
  return Error::corrupt(fmt::format("image container {:#x}", container));
}

Result<std::vector<PayloadCheck>> parse_section_directory(ByteView page) {
  using namespace directory_layout;
  ByteCursor in(page);
  TRY_ASSIGN(const auto raw, in.take<kImagePageSize>());
  const std::uint32_t count = load(raw, kCount);
  if (count > kEntriesMax) return Error::corrupt(fmt::format("{} sections in an image", count));
  std::vector<PayloadCheck> checks;
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = raw.subspan(kEntries + i * kEntryBytes).first<kEntryBytes>();
    TRY_ASSIGN(const PayloadCheck check,
               payload_at(load(entry, kOffset), load(entry, kLength), load(entry, kCrc)));
    checks.push_back(check);
  }
  return checks;
}

}  // namespace epochfs::engine::grafeo
