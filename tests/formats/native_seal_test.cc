#include <gtest/gtest.h>

#include "engine/formats/json/json_text.h"
#include "engine/formats/native/seal.h"

namespace epochfs::engine::native {
namespace {

const std::string kDocument = JsonObject().set("a", 1).set("b", "text").pretty();

TEST(SealTest, FitsWhatWasSealed) {
  const auto checked = check_seal(as_bytes(sealed(kDocument)));
  EXPECT_TRUE(checked) << checked.error().text;
}

TEST(SealTest, NoticesEveryFlippedBitAndEveryTruncation) {
  const std::string good = sealed(kDocument);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(check_seal(as_bytes(bad))) << "bit " << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(check_seal(as_bytes(good.substr(0, size)))) << size;
  EXPECT_FALSE(check_seal(as_bytes(good + "\n")));
  EXPECT_FALSE(check_seal(as_bytes(kDocument)));
}

}  // namespace
}  // namespace epochfs::engine::native
