#include "engine/segment/codec.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/core/hash.h"
#include "engine/formats/native/segment_layout.h"
#include "tests/segment/history.h"

namespace epochfs::engine {
namespace {

using test::must;

Bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

Bytes joined(const Bytes& first, const Bytes& second) {
  Bytes both = first;
  both.insert(both.end(), second.begin(), second.end());
  return both;
}

// A record of two versions of page 7; `prefix` may be empty.
Bytes record_of(const Bytes& first, const Bytes& second, const Bytes& prefix,
                Epoch first_epoch = Epoch(3)) {
  Bytes unit = native::encode_record_header(
      {PageNo(7), !prefix.empty(), {first_epoch, Epoch(9)}, {page_hash(first), page_hash(second)}});
  const Bytes frame = must(compress_frame(joined(prefix, joined(first, second)), prefix.size(), 3));
  unit.insert(unit.end(), frame.begin(), frame.end());
  return unit;
}

const PageSize kPageSize;  // 4096

TEST(FrameTest, ComesBackAsItWent) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{65536}}) {
    const Bytes plain = noise(size, size);
    const Bytes frame = must(compress_frame(plain, 0, 3));
    Bytes out(size);
    must(decompress_frame(frame, {}, out));
    EXPECT_EQ(out, plain);
  }
}

TEST(FrameTest, CostsLittleWithASimilarPrefix) {
  const Bytes before = noise(4096, 1);
  Bytes after = before;
  after[100] ^= std::byte{1};
  const Bytes frame = must(compress_frame(joined(before, after), before.size(), 3));
  EXPECT_LT(frame.size(), 100U);
  Bytes out(4096);
  must(decompress_frame(frame, before, out));
  EXPECT_EQ(out, after);
  EXPECT_FALSE(decompress_frame(frame, {}, out));
  EXPECT_FALSE(decompress_frame(frame, noise(4096, 2), out));
  EXPECT_TRUE(decompress_frame(frame, before, out)) << "a failure before must leave nothing behind";
}

TEST(FrameTest, MustFillItsPlaceExactly) {
  const Bytes frame = must(compress_frame(noise(1000, 1), 0, 3));
  for (const std::size_t size : {std::size_t{0}, std::size_t{999}, std::size_t{1001}}) {
    Bytes out(size);
    EXPECT_FALSE(decompress_frame(frame, {}, out)) << size;
  }
  Bytes out(1000);
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(decompress_frame(ByteView(frame).first(size), {}, out)) << size;
  Bytes two = frame;
  two.insert(two.end(), frame.begin(), frame.end());
  EXPECT_FALSE(decompress_frame(two, {}, out));
  Bytes padded = frame;
  padded.push_back(std::byte{0});
  EXPECT_FALSE(decompress_frame(padded, {}, out));
}

TEST(FrameTest, MayBeNoSkippableFrame) {
  Bytes out(8);
  EXPECT_FALSE(decompress_frame(native::signature_frame(), {}, out));
  Bytes empty;
  EXPECT_FALSE(decompress_frame(native::signature_frame(), {}, empty));
}

TEST(FrameTest, ShowsEveryFlippedBit) {
  const Bytes plain = noise(300, 5);
  const Bytes frame = must(compress_frame(plain, 0, 3));
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    Bytes bad = frame;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    Bytes out(plain.size());
    if (decompress_frame(bad, {}, out)) {
      EXPECT_EQ(out, plain) << "bit " << bit;
    }
  }
}

// What says to be a frame of a few bytes and would unpack to very much.
TEST(FrameTest, IsNoBomb) {
  const Bytes bomb = must(compress_frame(Bytes(64 * 1024 * 1024), 0, 3));
  Bytes out(4096);
  EXPECT_FALSE(decompress_frame(bomb, {}, out));
  EXPECT_FALSE(decode_block(bomb, 4096, kPageSize, std::vector<std::uint64_t>(1)));
  Bytes lying = bomb;  // the frame header now promises a page, its content is unchanged
  const Bytes small = must(compress_frame(Bytes(4096), 0, 3));
  lying.erase(lying.begin(), lying.begin() + 6);
  lying.insert(lying.begin(), small.begin(), small.begin() + 7);
  EXPECT_FALSE(decompress_frame(lying, {}, out));
}

TEST(BlockTest, PadsItsLastPageWithZeros) {
  const Bytes plain = noise(5000, 3);
  Bytes padded = plain;
  padded.resize(8192);
  const std::vector<std::uint64_t> hashes = {page_hash(ByteView(padded).first(4096)),
                                             page_hash(ByteView(padded).subspan(4096))};
  const Bytes stored = must(compress_frame(plain, 0, 3));
  EXPECT_TRUE(
      std::ranges::equal(must(decode_block(stored, 5000, kPageSize, hashes)).bytes(), padded));
}

TEST(BlockTest, IsCheckedPageByPage) {
  const Bytes plain = noise(8192, 3);
  const std::vector<std::uint64_t> hashes = {page_hash(ByteView(plain).first(4096)), 12345};
  const Bytes stored = must(compress_frame(plain, 0, 3));
  const auto decoded = decode_block(stored, 8192, kPageSize, hashes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kCorrupt);
  EXPECT_NE(decoded.error().text.find("page 1 of 2"), std::string::npos) << decoded.error().text;
}

TEST(BlockTest, RefusesSizesThatDoNotFit) {
  const Bytes stored = must(compress_frame(noise(8192, 3), 0, 3));
  const std::vector<std::uint64_t> hashes(2);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{4096}, std::size_t{8193},
                                  std::size_t{1} << 31U, ~std::size_t{0}})
    EXPECT_FALSE(decode_block(stored, bytes, kPageSize, hashes)) << bytes;
  EXPECT_FALSE(decode_block(Bytes(native::kUnitBytesMax + 1), 8192, kPageSize, hashes));
}

TEST(RecordTest, ComesBackWithAndWithoutPrefix) {
  const Bytes first = noise(4096, 1);
  const Bytes second = noise(4096, 2);
  for (const Bytes& prefix : {Bytes(), noise(4096, 3)}) {
    const auto record =
        must(decode_record(record_of(first, second, prefix), PageNo(7), kPageSize, noise(4096, 3)));
    EXPECT_EQ(record.epochs, (std::vector<Epoch>{Epoch(3), Epoch(9)}));
    EXPECT_TRUE(std::ranges::equal(record.pages.bytes().first(4096), first));
    EXPECT_TRUE(std::ranges::equal(record.pages.bytes().subspan(4096), second));
  }
}

TEST(RecordTest, GivesAVersionWhereThePrefixWas) {
  const Bytes prefix = noise(4096, 3);
  const Bytes first = noise(4096, 1);
  const Bytes second = noise(4096, 2);
  const Bytes unit = record_of(first, second, prefix);
  const auto decode = [&](unsigned epoch, unsigned newer, Bytes& page) {
    return decode_version(unit, PageNo(7), kPageSize, page, {Epoch(epoch), newer}, page);
  };
  for (const auto& [epoch, newer, want] :
       {std::tuple(3U, 1U, &first), std::tuple(9U, 0U, &second)}) {
    Bytes page = prefix;
    EXPECT_EQ(must(decode(epoch, newer, page)), page_hash(*want));
    EXPECT_EQ(page, *want) << epoch;
  }
  for (const auto& [epoch, newer] : {std::pair(3U, 0U), std::pair(9U, 1U), std::pair(4U, 1U),
                                     std::pair(2U, 2U), std::pair(9U, ~0U)}) {
    Bytes page = prefix;
    EXPECT_EQ(decode(epoch, newer, page).error().code, Code::kCorrupt) << epoch << " " << newer;
    EXPECT_EQ(page, prefix);
  }
}

TEST(RecordTest, ShowsEveryFlippedBitInTheVersionThatIsGiven) {
  const Bytes prefix = noise(4096, 3);
  Bytes second = prefix;
  second[9] = std::byte{1};
  // Neighbours: a bit makes one the other.
  const Bytes unit = record_of(prefix, second, prefix, Epoch(8));
  for (std::size_t bit = 0; bit < unit.size() * 8; ++bit) {
    Bytes bad = unit;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    for (const bool of_second : {false, true}) {
      Bytes page = prefix;
      const VersionPlace version =
          of_second ? VersionPlace{Epoch(9), 0} : VersionPlace{Epoch(8), 1};
      if (decode_version(bad, PageNo(7), kPageSize, page, version, page)) {
        EXPECT_EQ(page, of_second ? second : prefix) << "bit " << bit;
      }
    }
  }
}

TEST(RecordTest, IsRefusedAsAnotherPagesOrWithoutItsPrefix) {
  const Bytes prefix = noise(4096, 3);
  const Bytes unit = record_of(noise(4096, 1), prefix, prefix);
  EXPECT_TRUE(decode_record(unit, PageNo(7), kPageSize, prefix));
  EXPECT_EQ(decode_record(unit, PageNo(8), kPageSize, prefix).error().code, Code::kCorrupt);
  EXPECT_EQ(decode_record(unit, PageNo(7), kPageSize, {}).error().code, Code::kCorrupt);
  EXPECT_EQ(decode_record(unit, PageNo(7), kPageSize, noise(4096, 4)).error().code, Code::kCorrupt);
  EXPECT_EQ(decode_record(unit, PageNo(7), kPageSize, noise(512, 4)).error().code, Code::kInvalid);
  EXPECT_EQ(
      decode_record(unit, PageNo(7), must(PageSize::from(65536)), noise(65536, 4)).error().code,
      Code::kCorrupt);
}

TEST(RecordTest, ShowsEveryFlippedBitInItsPages) {
  const Bytes prefix = noise(4096, 3);
  Bytes second = prefix;
  second[9] = std::byte{1};
  const Bytes unit = record_of(prefix, second, prefix);
  const auto good = must(decode_record(unit, PageNo(7), kPageSize, prefix));
  for (std::size_t bit = 0; bit < unit.size() * 8; ++bit) {
    Bytes bad = unit;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto record = decode_record(bad, PageNo(7), kPageSize, prefix);
    if (record) {
      EXPECT_TRUE(std::ranges::equal(record->pages.bytes(), good.pages.bytes())) << "bit " << bit;
    }
  }
}

}  // namespace
}  // namespace epochfs::engine
