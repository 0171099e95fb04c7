#include "engine/segment/codec.h"

#include <fmt/format.h>
// For ZSTD_d_forceIgnoreChecksum; every libzstd that has it takes it from a program that is linked
// dynamically, too.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "engine/core/handle.h"
#include "engine/core/hash.h"
#include "engine/formats/native/segment_layout.h"

namespace epochfs::engine {
namespace {

using CompressContext = std::unique_ptr<ZSTD_CCtx, ClosedBy<ZSTD_freeCCtx>>;
using DecompressContext = std::unique_ptr<ZSTD_DCtx, ClosedBy<ZSTD_freeDCtx>>;

constexpr std::size_t kFrameDescriptor = 4;  // byte of a frame header, behind the magic number
constexpr std::byte kChecksumFlag{0x04};

// Made anew for each frame, so that nothing of the frame before or of its failure is left.
ZSTD_CCtx* compress_context() {
  thread_local const CompressContext context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  return context.get();
}

ZSTD_DCtx* decompress_context() {
  thread_local const DecompressContext context(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  return context.get();
}

Result<std::size_t> compressed(std::size_t code) {
  if (ZSTD_isError(code) != 0)
    return Error::invalid(fmt::format("zstd cannot compress: {}", ZSTD_getErrorName(code)));
  return code;
}

Result<std::size_t> decompressed(std::size_t code) {
  if (ZSTD_isError(code) != 0)
    return Error::corrupt(fmt::format("zstd frame: {}", ZSTD_getErrorName(code)));
  return code;
}

// One ordinary frame, nothing behind it, with the size that is expected and a checksum.
Result<void> check_frame(ByteView frame, std::size_t plain_bytes) {
  constexpr std::uint32_t kMagic = ZSTD_MAGICNUMBER;
  if (frame.size() <= kFrameDescriptor || load_le<std::uint32_t>(frame) != kMagic)
    return Error::corrupt("not a zstd frame");
  TRY_ASSIGN(const std::size_t stored_bytes,
             decompressed(ZSTD_findFrameCompressedSize(frame.data(), frame.size())));
  if (stored_bytes != frame.size()) return Error::corrupt("bytes behind the zstd frame");
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != plain_bytes)
    return Error::corrupt("zstd frame of another size");
  if ((frame[kFrameDescriptor] & kChecksumFlag) == std::byte{0})
    return Error::corrupt("zstd frame without a checksum");
  return {};
}

// The frame's own checksum covers what came out of it once more than the hashes of its pages, which
// the caller compares in any case where it need not be looked at.
enum class Checksum { kCompare, kHashesFollow };

Result<void> decompress(ByteView frame, ByteView prefix, MutableByteView out, Checksum checksum) {
  TRY(check_frame(frame, out.size()));
  ZSTD_DCtx* context = decompress_context();
  if (checksum == Checksum::kHashesFollow)
    TRY(decompressed(
        ZSTD_DCtx_setParameter(context, ZSTD_d_forceIgnoreChecksum, ZSTD_d_ignoreChecksum)));
  TRY_ASSIGN(const std::size_t size,
             decompressed(ZSTD_decompress_usingDict(context, out.data(), out.size(), frame.data(),
                                                    frame.size(), prefix.data(), prefix.size())));
  if (size != out.size()) return Error::corrupt("zstd frame of another size");
  return {};
}

// `pages` are whole pages, one per hash.
Result<void> check_page(ByteView pages, PageSize page_size, std::span<const std::uint64_t> hashes,
                        std::size_t slot) {
  if (page_hash(pages.subspan(slot * page_size.bytes(), page_size.bytes())) == hashes[slot])
    return {};
  return Error::corrupt(fmt::format("page {} of {} does not match its hash", slot, hashes.size()));
}

Result<void> check_pages(ByteView pages, PageSize page_size,
                         std::span<const std::uint64_t> hashes) {
  for (std::size_t i = 0; i < hashes.size(); ++i) TRY(check_page(pages, page_size, hashes, i));
  return {};
}

// What a record says of itself, and that it may be decoded with `prefix`.
Result<native::ParsedRecordHeader> record_header(ByteView stored, PageNo page, PageSize page_size,
                                                 ByteView prefix) {
  if (stored.size() > native::kUnitBytesMax)
    return Error::corrupt(fmt::format("record of {} bytes", stored.size()));
  if (!prefix.empty() && prefix.size() != page_size.bytes())
    return Error::invalid(fmt::format("a prefix of {} bytes", prefix.size()));
  TRY_ASSIGN(native::ParsedRecordHeader parsed, native::parse_record_header(stored));
  const native::RecordHeader& header = parsed.header;
  if (header.page != page)
    return Error::corrupt(fmt::format("record of page {}", header.page.get()));
  if (header.epochs.size() > native::versions_per_record(page_size))
    return Error::corrupt(fmt::format("record of {} versions", header.epochs.size()));
  if (header.has_prefix && prefix.empty())
    return Error::corrupt("record needs the page's image in the full, which lacks the page");
  return parsed;
}

// The versions of a record, of which not one is checked yet.
Result<void> unpack_record(ByteView stored, const native::ParsedRecordHeader& parsed,
                           ByteView prefix, MutableByteView out) {
  return decompress(stored.subspan(parsed.bytes), parsed.header.has_prefix ? prefix : ByteView(),
                    out, Checksum::kHashesFollow);
}

}  // namespace

Result<Bytes> compress_frame(ByteView bytes, std::size_t prefix_bytes, int level) {
  const ByteView prefix = bytes.first(prefix_bytes);
  const ByteView plain = bytes.subspan(prefix_bytes);
  ZSTD_CCtx* context = compress_context();
  TRY(compressed(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)));
  TRY(compressed(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
  if (!prefix.empty()) TRY(compressed(ZSTD_CCtx_refPrefix(context, prefix.data(), prefix.size())));
  Bytes frame(ZSTD_compressBound(plain.size()));
  TRY_ASSIGN(const std::size_t size, compressed(ZSTD_compress2(context, frame.data(), frame.size(),
                                                               plain.data(), plain.size())));
  frame.resize(size);
  frame.shrink_to_fit();
  return frame;
}

Result<void> decompress_frame(ByteView frame, ByteView prefix, MutableByteView out) {
  return decompress(frame, prefix, out, Checksum::kCompare);
}

Result<Buffer> decode_block(ByteView stored, std::size_t plain_bytes, PageSize page_size,
                            std::span<const std::uint64_t> page_hashes) {
  if (plain_bytes > native::kBlockBytesMax)
    return Error::corrupt(fmt::format("block of {} bytes", plain_bytes));
  Buffer pages(page_size.pages_in(plain_bytes) * page_size.bytes());
  TRY(decode_block_into(stored, plain_bytes, page_size, page_hashes, pages.bytes()));
  return pages;
}

Result<void> decode_block_into(ByteView stored, std::size_t plain_bytes, PageSize page_size,
                               std::span<const std::uint64_t> page_hashes, MutableByteView out) {
  if (plain_bytes > native::kBlockBytesMax || stored.size() > native::kUnitBytesMax)
    return Error::corrupt(fmt::format("block of {} bytes in {}", plain_bytes, stored.size()));
  const std::uint64_t pages = page_size.pages_in(plain_bytes);
  if (pages != page_hashes.size() || out.size() != pages * page_size.bytes())
    return Error::corrupt(fmt::format("{} hashes for {} pages", page_hashes.size(), pages));
  TRY(decompress(stored, {}, out.first(plain_bytes), Checksum::kHashesFollow));
  std::ranges::fill(out.subspan(plain_bytes), std::byte{0});
  return check_pages(out, page_size, page_hashes);
}

Result<DecodedRecord> decode_record(ByteView stored, PageNo page, PageSize page_size,
                                    ByteView prefix) {
  TRY_ASSIGN(native::ParsedRecordHeader parsed, record_header(stored, page, page_size, prefix));
  Buffer pages(parsed.header.epochs.size() * page_size.bytes());
  TRY(unpack_record(stored, parsed, prefix, pages.bytes()));
  TRY(check_pages(pages.bytes(), page_size, parsed.header.hashes));
  return DecodedRecord{std::move(parsed.header.epochs), std::move(pages)};
}

Result<std::size_t> version_slot(const std::vector<Epoch>& epochs, VersionPlace version) {
  if (version.newer < epochs.size()) {
    const std::size_t slot = epochs.size() - 1 - version.newer;
    if (epochs[slot] == version.epoch) return slot;
  }
  return Error::corrupt(fmt::format("the record lacks epoch {}", version.epoch.get()));
}

Result<std::uint64_t> decode_version(ByteView stored, PageNo page, PageSize page_size,
                                     ByteView prefix, VersionPlace version, MutableByteView out) {
  if (out.size() != page_size.bytes())
    return Error::invalid(fmt::format("{} bytes for a page", out.size()));
  TRY_ASSIGN(const native::ParsedRecordHeader parsed,
             record_header(stored, page, page_size, prefix));
  const native::RecordHeader& header = parsed.header;
  TRY_ASSIGN(const std::size_t slot, version_slot(header.epochs, version));
  thread_local Buffer room(native::kRecordBytesMax);
  const MutableByteView pages = room.bytes().first(header.epochs.size() * page_size.bytes());
  TRY(unpack_record(stored, parsed, prefix, pages));
  TRY(check_page(pages, page_size, header.hashes, slot));
  std::ranges::copy(pages.subspan(slot * page_size.bytes(), page_size.bytes()), out.begin());
  return header.hashes[slot];
}

}  // namespace epochfs::engine
