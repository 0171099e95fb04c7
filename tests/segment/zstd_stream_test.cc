#include "engine/segment/zstd_stream.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "engine/storage/memory_storage.h"

namespace epochfs::engine {
namespace {

// As `zstd` makes it of a pipe: neither size nor checksum.
Bytes frame_of(ByteView plain) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
  Bytes frame(ZSTD_compressBound(plain.size()));
  frame.resize(
      ZSTD_compress2(context.get(), frame.data(), frame.size(), plain.data(), plain.size()));
  return frame;
}

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * i / 7);
  return bytes;
}

std::shared_ptr<const Blob> stored(ByteView bytes) {
  const auto storage = make_memory_storage();
  const auto upload = storage->create("object");
  EXPECT_TRUE((*upload)->append(bytes) && (*upload)->finish());
  return *storage->open("object");
}

Result<Bytes> read_all(ByteView object, std::size_t piece_bytes = 1000,
                       std::uint64_t plain_bytes_max = 1U << 30U) {
  ZstdStream stream(stored(object), plain_bytes_max);
  Bytes all;
  Bytes piece(piece_bytes);
  std::size_t count = piece_bytes;
  while (count == piece_bytes) {
    TRY_ASSIGN(count, stream.read(piece));
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  EXPECT_EQ(stream.plain_bytes(), all.size());
  return all;
}

TEST(ZstdStream, GivesWhatWasCompressed) {
  for (const std::size_t size : {0UL, 1UL, 999UL, 1000UL, 1001UL, 300'000UL}) {
    const Bytes plain = pattern(size);
    EXPECT_EQ(read_all(frame_of(plain)), plain) << size;
  }
}

TEST(ZstdStream, GoesOnInTheNextFrame) {
  Bytes object = frame_of(pattern(5000));
  const Bytes skippable = {std::byte{0x50}, std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18},
                           std::byte{3},    std::byte{0},    std::byte{0},    std::byte{0},
                           std::byte{1},    std::byte{2},    std::byte{3}};
  object.insert(object.end(), skippable.begin(), skippable.end());
  const Bytes second = frame_of(pattern(700));
  object.insert(object.end(), second.begin(), second.end());
  Bytes plain = pattern(5000);
  const Bytes behind = pattern(700);
  plain.insert(plain.end(), behind.begin(), behind.end());
  EXPECT_EQ(read_all(object), plain);
}

TEST(ZstdStream, RefusesEveryShorterObject) {
  const Bytes object = frame_of(pattern(3000));
  for (std::size_t size = 0; size < object.size(); ++size)
    EXPECT_FALSE(read_all(ByteView(object).first(size))) << size;
}

TEST(ZstdStream, RefusesWhatIsNotZstd) {
  const auto result = read_all(pattern(500));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kCorrupt);
}

TEST(ZstdStream, RefusesMoreThanItIsAllowedToGive) {
  const Bytes object = frame_of(Bytes(1'000'000));  // zeros: a few bytes stored
  EXPECT_TRUE(read_all(object, 1000, 1'000'000));
  const auto result = read_all(object, 1000, 999'999);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine
