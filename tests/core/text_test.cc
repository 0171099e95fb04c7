#include "engine/core/text.h"

#include <gtest/gtest.h>

namespace epochfs::engine {
namespace {

TEST(PrintableTest, LeavesTextAlone) {
  for (const char* text :
       {"", "app.db", "with space", "back\\slash", "\xc3\xa4\xc3\xb6", "\xe6\x97\xa5\xe6\x9c\xac",
        "\xf0\x9f\x90\x98", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7" /* joined emoji */,
        "\xf4\x8f\xbf\xbd"})
    EXPECT_EQ(printable(text), text);
}

TEST(PrintableTest, EscapesEveryControlCharacter) {
  for (int c = 0; c < 0x20; ++c)
    EXPECT_EQ(printable(std::string(1, static_cast<char>(c))).size(), 4U) << c;
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // C1: a terminal may take it for ESC [
}

TEST(PrintableTest, EscapesWhatTurnsOrHidesText) {
  for (const char* text :
       {"\xe2\x80\xae" /* 202e */, "\xe2\x80\xa8" /* 2028 */, "\xe2\x81\xa6" /* 2066 */,
        "\xe2\x80\x8f" /* 200f */, "\xe2\x80\x8b" /* 200b */, "\xe2\x81\xa0" /* 2060 */,
        "\xef\xbb\xbf" /* feff */, "\xd8\x9c" /* 061c */, "\xc2\xad" /* 00ad */,
        "\xf3\xa0\x81\x81" /* e0041 */})
    EXPECT_EQ(printable(text).size(), 4 * std::string_view(text).size()) << printable(text);
}

TEST(PrintableTest, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\x80x"), "\\x80x");
  EXPECT_EQ(printable("\xc3"), "\\xc3");                             // cut off
  EXPECT_EQ(printable("\xe6\x97x"), "\\xe6\\x97x");                  // cut short by a letter
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong '/'
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond Unicode
  EXPECT_EQ(printable("\xf8\x88\x80\x80\x80"), "\\xf8\\x88\\x80\\x80\\x80");
}

TEST(CountedTest, SaysOneOfSomethingAndManyOfThem) {
  EXPECT_EQ(counted(0, "epoch"), "0 epochs");
  EXPECT_EQ(counted(1, "epoch"), "1 epoch");
  EXPECT_EQ(counted(2, "new epoch"), "2 new epochs");
  EXPECT_EQ(counted(1, "directory", "directories"), "1 directory");
  EXPECT_EQ(counted(0, "directory", "directories"), "0 directories");
}

TEST(RangeTextTest, NamesOneOrBothEnds) {
  EXPECT_EQ(range_text("epoch", 5, 5), "epoch 5");
  EXPECT_EQ(range_text("epoch", 5, 7), "epochs 5 to 7");
}

TEST(HumanBytesTest, PrintsThreeOrFourDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1'048'575), "1.0 MiB");
  EXPECT_EQ(human_bytes(1'048'576), "1.0 MiB");
  EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16.0 EiB");
}

}  // namespace
}  // namespace epochfs::engine
