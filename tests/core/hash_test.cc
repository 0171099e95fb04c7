#include "engine/core/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace epochfs::engine {
namespace {

// The test input of the xxHash project: the high bytes of a multiplicative generator.
Bytes xxhash_input(std::size_t size) {
  std::uint64_t state = 2654435761U;
  Bytes bytes(size);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(state >> 56);
    state *= 11400714785074694797U;
  }
  return bytes;
}

TEST(PageHashTest, IsXxh3AsPublished) {
  struct Vector {
    std::size_t size;
    std::uint64_t want;
  };
  for (const Vector& vector : {Vector{0, 0x2d06800538d394c2}, Vector{1, 0xc44bdff4074eecdb},
                               Vector{6, 0x27b56a84cd2d7325}, Vector{12, 0xa713daf0dfbb77e7},
                               Vector{24, 0xa3fe70bf9d3510eb}, Vector{48, 0x397da259ecba1f11},
                               Vector{80, 0xbcdefbbb2c47c90a}, Vector{195, 0xcd94217ee362ec3a},
                               Vector{403, 0xcdeb804d65c6dea4}, Vector{512, 0x617e49599013cb6b},
                               Vector{2048, 0xdd59e2c3a5f038e0}, Vector{2240, 0x6e73a90539cf2948}})
    EXPECT_EQ(page_hash(xxhash_input(vector.size)), vector.want) << vector.size << " bytes";
}

TEST(PageHashTest, DoesNotDependOnThePieces) {
  const Bytes input = xxhash_input(1000);
  for (const std::size_t step : {1U, 7U, 64U, 999U}) {
    Xxh3 sum;
    for (std::size_t at = 0; at < input.size(); at += step)
      sum.update(ByteView(input).subspan(at, std::min(step, input.size() - at)));
    EXPECT_EQ(sum.value(), page_hash(input)) << step;
  }
}

TEST(Sha256Test, IsSha256AsPublished) {
  const auto hex = [](std::string_view text) { return to_hex(Sha256::of(as_bytes(text))); };
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, DoesNotDependOnThePieces) {
  const Bytes input = xxhash_input(1000);
  for (const std::size_t step : {1U, 7U, 64U, 999U}) {
    Sha256 sum;
    for (std::size_t at = 0; at < input.size(); at += step)
      sum.update(ByteView(input).subspan(at, std::min(step, input.size() - at)));
    EXPECT_EQ(sum.finish(), Sha256::of(input)) << step;
  }
}

TEST(Sha256Test, ComesBackFromHex) {
  const Sha256Digest digest = Sha256::of(as_bytes("abc"));
  const std::string hex = to_hex(digest);
  EXPECT_EQ(sha256_from_hex(hex), digest);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    for (const char bad : {'g', 'A', ' ', '\0', '/', ':', '`'}) {
      std::string text = hex;
      text[i] = bad;
      EXPECT_EQ(sha256_from_hex(text).error().code, Code::kCorrupt);
    }
  }
  EXPECT_FALSE(sha256_from_hex(hex + "0"));
  EXPECT_FALSE(sha256_from_hex(hex.substr(1)));
  EXPECT_FALSE(sha256_from_hex(""));
}

TEST(HmacTest, IsHmacSha256AsPublished) {
  struct Vector {
    Bytes key;
    std::string_view message;
    std::string_view want;
  };
  const Vector vectors[] = {
      // RFC 4231, cases 1, 2 and 6: a short key, a word, and a key longer than a block
      {Bytes(20, std::byte{0x0b}), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {to_bytes("Jefe"), "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {Bytes(131, std::byte{0xaa}), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {Bytes(), "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"}};
  for (const Vector& vector : vectors)
    EXPECT_EQ(to_hex(hmac_sha256(vector.key, as_bytes(vector.message))), vector.want);
}

TEST(Md5Test, IsMd5AsPublished) {
  EXPECT_EQ(to_hex(md5(ByteView())), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(md5(as_bytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Base64Test, IsBase64AsPublished) {
  const char* const want[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  const std::string_view text = "foobar";
  for (std::size_t size = 0; size <= text.size(); ++size)
    EXPECT_EQ(to_base64(as_bytes(text.substr(0, size))), want[size]);
}

TEST(Crc32Test, IsCrc32AsPublished) {
  const auto crc = [](std::string_view text) {
    Crc32 sum;
    sum.update(as_bytes(text));
    return sum.value();
  };
  EXPECT_EQ(crc(""), 0U);
  EXPECT_EQ(crc("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc("The quick brown fox jumps over the lazy dog"), 0x414fa339U);
}

TEST(Crc32Test, DoesNotDependOnThePieces) {
  Crc32 sum;
  for (const char* piece : {"123", "", "45678", "9"}) sum.update(as_bytes(piece));
  EXPECT_EQ(sum.value(), 0xcbf43926U);
}

// Bit by bit, as the standard defines it.
std::uint32_t slow_crc32(ByteView bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

// Faster ways exist for some lengths and places in memory.
TEST(Crc32Test, IsTheSameForEveryLengthAndPlaceInMemory) {
  Bytes noise(2100);
  for (std::size_t i = 0; i < noise.size(); ++i)
    noise[i] = static_cast<std::byte>(page_hash(ByteView(noise).first(i)));
  for (std::size_t place = 0; place < 17; ++place) {
    for (std::size_t size = 0; place + size <= noise.size(); size += size < 300 ? 1 : 97) {
      const ByteView bytes = ByteView(noise).subspan(place, size);
      Crc32 whole;
      whole.update(bytes);
      Crc32 halves;
      halves.update(bytes.first(size / 3));
      halves.update(bytes.subspan(size / 3));
      ASSERT_EQ(whole.value(), slow_crc32(bytes)) << place << ", " << size;
      ASSERT_EQ(halves.value(), whole.value()) << place << ", " << size;
    }
  }
}

TEST(Crc32Test, IsNotChangedByNothing) {
  Crc32 sum;
  sum.update(as_bytes("123456789"));
  sum.update(ByteView());
  EXPECT_EQ(sum.value(), 0xcbf43926U);
}

// Computed with the xxHash library from the definition in hash.h; part of the format.
TEST(StateHashTest, IsTheSumThatTheFormatDefines) {
  StateHash state;
  EXPECT_EQ(state.hex(), "00000000000000000000000000000000");
  state.add(PageNo(1), 2);
  EXPECT_EQ(state.hex(), "86a630ae7735fc481bb20a329a9e0494");
  state.add(PageNo(7), 0xffffffff);
  state.add_size(8192);
  EXPECT_EQ(state.hex(), "c6d6e2c6689a5832bc3e59161c51a35d");
  EXPECT_EQ(state, StateHash(0xc6d6e2c6689a5832, 0xbc3e59161c51a35d));
}

TEST(StateHashTest, CarriesAndBorrows) {
  StateHash sum(0, ~std::uint64_t{0});
  sum += StateHash(0, 1);
  EXPECT_EQ(sum, StateHash(1, 0));
  StateHash wrapped(~std::uint64_t{0}, ~std::uint64_t{0});
  wrapped += StateHash(0, 1);
  EXPECT_EQ(wrapped, StateHash());
  // The term of (1, 2) has the low half 1bb2...: smaller lows must borrow, greater ones must not.
  for (const std::uint64_t low : {std::uint64_t{0}, std::uint64_t{0x1bb20a329a9e0493},
                                  std::uint64_t{0x1bb20a329a9e0494}, ~std::uint64_t{0}}) {
    const StateHash before(5, low);
    StateHash state = before;
    state.remove(PageNo(1), 2);
    StateHash want(state);
    want += StateHash(0x86a630ae7735fc48, 0x1bb20a329a9e0494);
    EXPECT_EQ(want, before);
    state.add(PageNo(1), 2);
    EXPECT_EQ(state, before);
  }
}

TEST(StateHashTest, DoesNotDependOnTheOrder) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  struct Page {
    PageNo number;
    std::uint64_t hash;
  };
  std::vector<Page> pages;
  for (std::uint32_t i = 1; i <= 1000; ++i) pages.push_back({PageNo(i), random()});
  const auto sum_of = [&] {
    StateHash state;
    for (const Page& page : pages) state.add(page.number, page.hash);
    return state;
  };
  const StateHash sum = sum_of();
  std::ranges::shuffle(pages, random);
  EXPECT_EQ(sum_of(), sum);

  StateHash emptied = sum;
  std::ranges::shuffle(pages, random);
  for (const Page& page : pages) emptied.remove(page.number, page.hash);
  EXPECT_EQ(emptied, StateHash());

  StateHash changed = sum;
  changed.remove(pages[0].number, pages[0].hash);
  changed.add(pages[0].number, pages[0].hash + 1);
  EXPECT_NE(changed, sum);
  pages[0].hash += 1;
  EXPECT_EQ(changed, sum_of()) << "a change costs one page";
}

TEST(StateHashTest, TellsSwappedPagesAndSizesApart) {
  StateHash one;
  one.add(PageNo(1), 10);
  one.add(PageNo(2), 20);
  StateHash other;
  other.add(PageNo(1), 20);
  other.add(PageNo(2), 10);
  EXPECT_NE(one, other);
  StateHash larger = one;
  one.add_size(4096);
  larger.add_size(8192);
  EXPECT_NE(one, larger);
  larger.remove_size(8192);
  larger.add_size(4096);
  EXPECT_EQ(one, larger);
}

}  // namespace
}  // namespace epochfs::engine
