#include <gtest/gtest.h>

#include <array>

#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/image_header.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr std::size_t kSlots[] = {kImagePageSize, 2 * kImagePageSize};

template <class T>
void put_at(Bytes& bytes, std::size_t at, T value) {
  store_le<T>(MutableByteView(bytes).subspan(at), value);
}
void put_bytes_at(Bytes& bytes, std::size_t at, ByteView what) {
  std::ranges::copy(what, bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

struct OldSlot {
  std::uint64_t iteration = 0;
  std::uint64_t crc32 = 0;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t epoch = 0;
};

// Containers 1 and 2.
Bytes old_image(const OldSlot& first, const OldSlot& second) {
  Bytes image(kImageHeaderSize);
  put_bytes_at(image, 0, from_hex("47 52 41 46 01 fb 00 10 fd 10 26 f7 fc a1 01 00 00"));
  put_bytes_at(image, 17, as_bytes("0.5.42"));
  for (std::size_t i = 0; i < 2; ++i) {
    const OldSlot& slot = i == 0 ? first : second;
    ByteWriter out;
    for (const std::uint64_t number :
         {slot.iteration, slot.crc32, slot.snapshot_bytes, slot.epoch, std::uint64_t{7},
          std::uint64_t{8}, std::uint64_t{9}, std::uint64_t{1000}})
      put_number(out, number);
    put_bytes_at(image, kSlots[i], out.view());
  }
  return image;
}

struct BlockSlot {
  std::uint64_t iteration = 0;
  std::uint64_t lsn = 0;
  std::uint64_t epoch = 0;
};

void seal_block_page(Bytes& image) { put_at(image, 72, crc_of_bytes(ByteView(image).first(72))); }

void put_block_slot(Bytes& image, std::size_t at, const BlockSlot& slot) {
  put_bytes_at(image, at, as_bytes("GDBH"));
  put_at<std::uint64_t>(image, at + 8, slot.iteration);
  put_at<std::uint64_t>(image, at + 16, slot.lsn);
  put_at<std::uint64_t>(image, at + 24, slot.epoch);
  put_at<std::uint64_t>(image, at + 32, 7);
  put_at<std::uint64_t>(image, at + 40, 49152);
  put_at<std::uint32_t>(image, at + 48, 416);
  put_at<std::uint32_t>(image, at + 52, 0xde6d825a);
  put_at<std::uint64_t>(image, at + 56, 8);
  put_at<std::uint64_t>(image, at + 64, 9);
  put_at<std::uint64_t>(image, at + 72, 1000);
  put_at(image, at + 80, crc_of_bytes(ByteView(image).subspan(at, 80)));
}

DatabaseId some_id() {
  DatabaseId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(0xa0 + i);
  return id;
}

// Container 3 without database headers.
Bytes block_image() {
  Bytes image(kImageHeaderSize);
  put_bytes_at(image, 0, as_bytes("GRAF"));
  put_at<std::uint32_t>(image, 4, 3);
  put_at<std::uint32_t>(image, 8, 4096);
  put_bytes_at(image, 16, some_id());
  put_at<std::uint64_t>(image, 32, 500);
  put_bytes_at(image, 40, as_bytes("0.6.0"));
  seal_block_page(image);
  return image;
}

Bytes block_image(const BlockSlot& first, const BlockSlot& second) {
  Bytes image = block_image();
  put_block_slot(image, kSlots[0], first);
  put_block_slot(image, kSlots[1], second);
  return image;
}

TEST(GrafeoImageTest, ReadsASnapshotImage) {
  const auto header = parse_image_header(old_image({1, 2, 3, 4}, {2, 0xffffffff, 100, 300}));
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->container, 1U);
  EXPECT_EQ(header->generation(), Generation::kV1);
  EXPECT_EQ(header->created, UnixMillis(1795245418000));
  EXPECT_EQ(header->creator_version, "0.5.42");
  EXPECT_EQ(header->active_slot, 1U);
  EXPECT_EQ(header->iteration, 2U);
  EXPECT_EQ(header->epoch, Epoch(300));
  EXPECT_EQ(header->last_transaction, TransactionId(7));
  EXPECT_EQ(header->node_count, 8U);
  EXPECT_EQ(header->edge_count, 9U);
  EXPECT_EQ(header->checkpointed, UnixMillis(1000));
  EXPECT_EQ(header->database_id, std::nullopt);
  EXPECT_EQ(header->checkpoint_lsn, std::nullopt);
  EXPECT_EQ(header->payload, (PayloadCheck{{12288, 100}, 0xffffffff}));
}

TEST(GrafeoImageTest, ReadsAnImageOfSections) {
  const auto header = parse_image_header(old_image({3, 5, 0, 12}, {2, 9, 0, 11}));
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->container, 2U);
  EXPECT_EQ(header->active_slot, 0U);
  EXPECT_EQ(header->epoch, Epoch(12));
  EXPECT_EQ(header->payload, (PayloadCheck{{12288, 4096}, 5}));
}

TEST(GrafeoImageTest, TakesTheFirstDatabaseHeaderOnATie) {
  EXPECT_EQ(parse_image_header(old_image({3, 0, 1, 10}, {3, 0, 1, 20}))->epoch, Epoch(10));
  EXPECT_EQ(parse_image_header(block_image({3, 0, 10}, {3, 0, 20}))->epoch, Epoch(10));
}

TEST(GrafeoImageTest, KnowsADatabaseThatWasNeverCheckpointed) {
  const auto header = parse_image_header(old_image({}, {}));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->iteration, 0U);
  EXPECT_EQ(header->payload, std::nullopt);
}

TEST(GrafeoImageTest, ReadsAnImageOfBlocks) {
  const auto header = parse_image_header(block_image({0, 0, 0}, {1, 967, 4}));
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->container, 3U);
  EXPECT_EQ(header->generation(), Generation::kV2);
  EXPECT_EQ(header->created, UnixMillis(500));
  EXPECT_EQ(header->creator_version, "0.6.0");
  EXPECT_EQ(header->active_slot, 1U);
  EXPECT_EQ(header->iteration, 1U);
  EXPECT_EQ(header->epoch, Epoch(4));
  EXPECT_EQ(header->checkpoint_lsn, Lsn(967));
  EXPECT_EQ(header->database_id, some_id());
  EXPECT_EQ(header->last_transaction, TransactionId(7));
  EXPECT_EQ(header->node_count, 8U);
  EXPECT_EQ(header->edge_count, 9U);
  EXPECT_EQ(header->checkpointed, UnixMillis(1000));
  EXPECT_EQ(header->payload, (PayloadCheck{{49152, 416}, 0xde6d825a}));
  EXPECT_FALSE(header->has_damaged_slot);
}

TEST(GrafeoImageTest, NeedsOneSoundDatabaseHeaderAndTellsOfADamagedOne) {
  Bytes image = block_image({1, 5, 10}, {2, 6, 20});
  image[kSlots[1] + 30] ^= std::byte{1};
  const auto older = parse_image_header(image);
  ASSERT_TRUE(older);
  EXPECT_EQ(older->epoch, Epoch(10));
  EXPECT_TRUE(older->has_damaged_slot);

  image[kSlots[0]] ^= std::byte{1};
  EXPECT_EQ(code_of(parse_image_header(image)), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_image_header(block_image())), Code::kCorrupt);

  Bytes only_second = block_image();
  put_block_slot(only_second, kSlots[1], {0, 6, 20});
  EXPECT_EQ(parse_image_header(only_second)->active_slot, 1U);
  EXPECT_FALSE(parse_image_header(only_second)->has_damaged_slot);
}

TEST(GrafeoImageTest, SeesEveryFlippedBitThatABlockImageUses) {
  const Bytes good = block_image({1, 5, 10}, {2, 6, 20});
  for (std::size_t bit = 0; bit < 76 * 8; ++bit)
    EXPECT_FALSE(parse_image_header(flipped(good, bit))) << bit;
  for (const std::size_t slot : kSlots) {
    for (std::size_t bit = slot * 8; bit < (slot + 84) * 8; ++bit) {
      const auto header = parse_image_header(flipped(good, bit));
      ASSERT_TRUE(header) << bit;
      EXPECT_TRUE(header->has_damaged_slot) << bit;
    }
  }
}

TEST(GrafeoImageTest, RefusesWhatIsEncryptedOrNeedsMoreThanIsKnown) {
  for (const std::uint32_t flags : {0x1U, 0x2U, 0x8000U}) {
    Bytes image = block_image({1, 5, 10}, {2, 6, 20});
    put_at(image, 12, flags);
    seal_block_page(image);
    EXPECT_EQ(code_of(parse_image_header(image)), Code::kUnsupported) << flags;
  }
  Bytes compatible = block_image({1, 5, 10}, {2, 6, 20});
  put_at<std::uint32_t>(compatible, 12, 0xffff0000);
  seal_block_page(compatible);
  EXPECT_TRUE(parse_image_header(compatible));
  Bytes newer = block_image({1, 5, 10}, {2, 6, 20});
  put_at<std::uint32_t>(newer, 4, 4);
  EXPECT_EQ(code_of(parse_image_header(newer)), Code::kUnsupported);
}

TEST(GrafeoImageTest, RefusesOtherFilesAndEveryTruncation) {
  const Bytes blocks = block_image({1, 5, 10}, {2, 6, 20});
  const Bytes snapshot = old_image({1, 2, 3, 4}, {});
  for (std::size_t size = 0; size < kImageHeaderSize; ++size) {
    EXPECT_EQ(code_of(parse_image_header(ByteView(blocks).first(size))), Code::kCorrupt);
    EXPECT_EQ(code_of(parse_image_header(ByteView(snapshot).first(size))), Code::kCorrupt);
  }
  for (const std::uint32_t container : {0U, 2U, 0x100U, 0x103U}) {
    Bytes other = blocks;
    put_at(other, 4, container);
    EXPECT_EQ(code_of(parse_image_header(other)), Code::kCorrupt) << container;
  }
  Bytes other_pages = snapshot;
  put_bytes_at(other_pages, 5, from_hex("fb 00 20"));
  EXPECT_EQ(code_of(parse_image_header(other_pages)), Code::kCorrupt);
}

TEST(GrafeoImageTest, RefusesNumbersThatNoImageHas) {
  EXPECT_EQ(code_of(parse_image_header(old_image({1, 0, kU64Max, 4}, {}))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_image_header(old_image({1, 0x100000000, 1, 4}, {}))), Code::kCorrupt);
  Bytes image = old_image({1, 2, 3, 4}, {});
  image[kSlots[0]] = std::byte{0xff};
  EXPECT_EQ(code_of(parse_image_header(image)), Code::kCorrupt);
}

TEST(GrafeoImageTest, SurvivesAnyFlippedByteOfASnapshotImage) {
  const Bytes good = old_image({1, 2, 3, 4}, {2, 0xffffffff, 100, 300});
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0xff};
    const auto header = parse_image_header(bad);
    if (header && header->payload) {
      EXPECT_GE(header->payload->range.begin, kImageHeaderSize);
    }
  }
}

Bytes section_directory(std::uint32_t count, std::uint64_t offset, std::uint64_t length) {
  Bytes page(kImagePageSize);
  put_at(page, 0, count);
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 127); ++i) {
    const std::size_t at = 8 + 32 * i;
    put_at<std::uint32_t>(page, at, 0xffffffff);
    put_at(page, at + 8, offset + i * 4096);
    put_at(page, at + 16, length);
    put_at<std::uint32_t>(page, at + 24, static_cast<std::uint32_t>(i));
  }
  return page;
}

TEST(GrafeoImageTest, ListsTheChecksOfSections) {
  const std::vector<PayloadCheck> want = {{{16384, 77}, 0}, {{20480, 77}, 1}};
  EXPECT_EQ(parse_section_directory(section_directory(2, 16384, 77)).value(), want);
  EXPECT_TRUE(parse_section_directory(section_directory(0, 0, 0)).value().empty());
  EXPECT_EQ(parse_section_directory(section_directory(127, 16384, 77)).value().size(), 127U);
}

TEST(GrafeoImageTest, RefusesSectionsThatCannotBe) {
  EXPECT_EQ(code_of(parse_section_directory(section_directory(128, 16384, 1))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_section_directory(section_directory(kU64Max & 0xffffffff, 16384, 1))),
            Code::kCorrupt);
  EXPECT_EQ(code_of(parse_section_directory(section_directory(1, 4096, 1))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_section_directory(section_directory(1, 16384, kU64Max))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_section_directory(Bytes(kImagePageSize - 1))), Code::kCorrupt);
}

}  // namespace
}  // namespace epochfs::engine::grafeo
