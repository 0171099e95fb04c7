#include <gtest/gtest.h>

#include "engine/formats/grafeo/bincode.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

struct NumberCase {
  std::uint64_t value;
  std::string_view hex;
};
constexpr NumberCase kShortest[] = {
    {0, "00"},
    {250, "fa"},
    {251, "fb fb 00"},
    {300, "fb 2c 01"},
    {0xffff, "fb ff ff"},
    {0x10000, "fc 00 00 01 00"},
    {0xffffffff, "fc ff ff ff ff"},
    {0x100000000, "fd 00 00 00 00 01 00 00 00"},
    {0xffffffffffffffff, "fd ff ff ff ff ff ff ff ff"},
};

TEST(GrafeoBincodeTest, WritesTheShortestSpellingAndReadsItBack) {
  for (const NumberCase& number : kShortest) {
    ByteWriter out;
    put_number(out, number.value);
    EXPECT_EQ(to_hex(out.view()), to_hex(from_hex(number.hex)));
    ByteCursor in(out.view());
    EXPECT_EQ(take_number(in).value(), number.value);
    EXPECT_TRUE(in.expect_end());
  }
}

TEST(GrafeoBincodeTest, ReadsLongerSpellings) {
  for (const std::string_view hex :
       {"07", "fb 07 00", "fc 07 00 00 00", "fd 07 00 00 00 00 00 00 00"}) {
    const Bytes bytes = from_hex(hex);
    ByteCursor in(bytes);
    EXPECT_EQ(take_number(in).value(), 7U) << hex;
  }
}

TEST(GrafeoBincodeTest, RefusesWhatIsNo64BitNumber) {
  for (const std::string_view hex : {"", "fb", "fb 00", "fc 00 00 00", "fd 00 00 00 00 00 00 00",
                                     "fe 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", "ff"}) {
    const Bytes bytes = from_hex(hex);
    ByteCursor in(bytes);
    EXPECT_EQ(code_of(take_number(in)), Code::kCorrupt) << hex;
  }
}

TEST(GrafeoBincodeTest, RefusesANumberThatItsTypeCannotHold) {
  const Bytes bytes = from_hex("fd 00 00 00 00 01 00 00 00");
  ByteCursor in(bytes);
  EXPECT_EQ(code_of(take_number_as<std::uint32_t>(in)), Code::kCorrupt);
}

TEST(GrafeoBincodeTest, KeepsStringsAsTheyAre) {
  for (const std::string& text :
       {std::string(), std::string("a/b"), std::string(300, 'x'), std::string("\0\xff", 2)}) {
    ByteWriter out;
    put_string(out, text);
    ByteCursor in(out.view());
    EXPECT_EQ(take_string(in).value(), text);
    EXPECT_TRUE(in.expect_end());
  }
}

TEST(GrafeoBincodeTest, RefusesAStringLongerThanItsBytes) {
  for (const std::string_view hex : {"01", "05 61 62 63 64", "fd ff ff ff ff ff ff ff ff 61"}) {
    const Bytes bytes = from_hex(hex);
    ByteCursor in(bytes);
    EXPECT_EQ(code_of(take_string(in)), Code::kCorrupt) << hex;
  }
}

}  // namespace
}  // namespace epochfs::engine::grafeo
